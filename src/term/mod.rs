//! The only code that prints: tables, progress, prompts, colour.
