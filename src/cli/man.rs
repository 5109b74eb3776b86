//! `kcpctl man`: the manual, one page a command.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, help};
use crate::error::{CliError, Kind};
use crate::term::{self, Output, OutputError};

const EXAMPLES: &str = "\
Examples:
  # Read the page of one command
  kcpctl man cache list | man -l -

  # Install every page
  kcpctl man --output-dir ~/.local/share/man/man1";

/// Print a page of the manual, or write all pages
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// Command to print the page of, such as `cache list`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write every page into this folder, which is made if need be
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    output_dir: Option<PathBuf>,
}

pub(super) fn run(args: ManArgs) -> Result<(), CliError> {
    let ManArgs { command, output_dir } = args;
    let pages = pages()?;
    if let Some(dir) = output_dir {
        return write_all(&pages, &dir);
    }
    let name = page_name(&command);
    let Some((_, page)) = pages.iter().find(|(page, _)| *page == name) else {
        let cause = anyhow::anyhow!("there is no command `{}`", command.join(" "));
        return Err(CliError::new(Kind::Usage, cause).hint("see `kcpctl --help` for the commands"));
    };
    let mut out = Output::stdout();
    out.write_all(page).map_err(OutputError::from)?;
    Ok(out.finish()?)
}

fn page_name(command: &[String]) -> String {
    let mut words = vec!["kcpctl"];
    words.extend(command.iter().map(String::as_str));
    format!("{}.1", words.join("-"))
}

/// Every page with its file name, in the order of the command tree.
fn pages() -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect(&root, "kcpctl", &mut pages)
        .map_err(|error| CliError::new(Kind::Internal, anyhow::Error::new(error)))?;
    Ok(pages)
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    // No date: the same source makes the same page.
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(concat!("kcpctl ", env!("CARGO_PKG_VERSION")))
        .date("")
        .manual("kcpctl manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let epilogue = command.get_after_long_help().or(command.get_after_help());
    let epilogue = epilogue.map(ToString::to_string).unwrap_or_default();
    page.extend(sections(&epilogue).into_bytes());
    if !epilogue.contains(help::EXIT_CODES) {
        page.extend(sections(help::EXIT_CODES).into_bytes());
    }
    if let Some((parent, _)) = name.rsplit_once('-') {
        page.extend(format!(".SH \"SEE ALSO\"\n.BR {parent} (1)\n").into_bytes());
    }
    pages.push((format!("{name}.1"), page));
    for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
        collect(child, &format!("{name}-{}", child.get_name()), pages)?;
    }
    Ok(())
}

/// The text after a command's flags as sections of a page, with its lines as they are.
///
/// `Examples:` at the beginning of a line begins a section; what follows is indented by two.
fn sections(text: &str) -> String {
    let mut page = String::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_suffix(':') {
            Some(heading) if !line.starts_with(' ') => {
                page.push_str(if open { ".fi\n" } else { "" });
                page.push_str(&heading_line(heading));
                open = true;
            }
            _ => {
                page.push_str(&escaped(line.strip_prefix("  ").unwrap_or(line)));
                page.push('\n');
            }
        }
    }
    page.push_str(if open { ".fi\n" } else { "" });
    page
}

fn heading_line(heading: &str) -> String {
    format!(".SH {:?}\n.nf\n", heading.to_uppercase())
}

/// `line` so that roff prints it as it is.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

fn write_all(pages: &[(String, Vec<u8>)], dir: &Path) -> Result<(), CliError> {
    let failed = |error: io::Error, path: &Path| {
        let cause =
            anyhow::Error::new(error).context(format!("failed to write `{}`", path.display()));
        CliError::new(Kind::Config, cause).hint("name a folder that you may write to")
    };
    fs::create_dir_all(dir).map_err(|error| failed(error, dir))?;
    for (name, page) in pages {
        let path = dir.join(name);
        fs::write(&path, page).map_err(|error| failed(error, &path))?;
    }
    term::say(&format!("wrote {} to `{}`", term::count(pages.len(), "page"), dir.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_become_a_section_with_their_lines() {
        assert_eq!(
            sections("Examples:\n  # one\n  kcpctl -x .\n\n  .hidden\nExit codes:\n  0  done"),
            ".SH \"EXAMPLES\"\n.nf\n# one\nkcpctl \\-x .\n\n\\&.hidden\n.fi\n\
             .SH \"EXIT CODES\"\n.nf\n0  done\n.fi\n"
        );
    }
}
