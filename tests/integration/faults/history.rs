//! What clients did and saw, as values.

use std::fmt;

/// What is stored under one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    pub revision: u64,
    /// No value is written twice.
    pub value: String,
}

/// What a client wanted.
#[derive(Clone, Debug)]
pub enum Action {
    /// To write where nothing is.
    Create(String),
    /// To write where this revision is.
    Update(u64, String),
    /// To write where anything is.
    Patch(String),
    /// To delete whatever is there.
    Delete,
    /// To know what is there.
    Read,
}

/// What it was told.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its write was made, at that revision.
    Made(u64),
    /// What it wanted to delete is gone.
    Deleted,
    /// This is there.
    Found(Stored),
    /// Nothing is there.
    Missing,
    /// Something else is there than it believed.
    Conflict,
    /// It was not made, whatever is there.
    Failed,
    /// It may have been made, or may yet be.
    Maybe,
}

/// One question to one key, and its answer.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// Which replica was asked.
    pub replica: usize,
    pub action: Action,
    pub outcome: Outcome,
    /// When it was asked and answered, in microseconds.
    pub asked: u64,
    pub answered: u64,
}

impl Operation {
    /// The value that it writes.
    pub fn value(&self) -> Option<&str> {
        match &self.action {
            Action::Create(value) | Action::Update(_, value) | Action::Patch(value) => Some(value),
            Action::Delete | Action::Read => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |micros: u64| std::time::Duration::from_micros(micros).as_secs_f64();
        write!(
            f,
            "{:10.4}..{:10.4} s  client {} replica {}  ",
            seconds(self.asked),
            seconds(self.answered),
            self.client,
            self.replica
        )?;
        match &self.action {
            Action::Create(value) => write!(f, "create {value}")?,
            Action::Update(at, value) => write!(f, "update {at} to {value}")?,
            Action::Patch(value) => write!(f, "patch to {value}")?,
            Action::Delete => write!(f, "delete")?,
            Action::Read => write!(f, "read")?,
        }
        match &self.outcome {
            Outcome::Made(revision) => write!(f, " -> made at {revision}"),
            Outcome::Deleted => write!(f, " -> deleted"),
            Outcome::Found(it) => write!(f, " -> {} at {}", it.value, it.revision),
            Outcome::Missing => write!(f, " -> nothing is there"),
            Outcome::Conflict => write!(f, " -> something else is there"),
            Outcome::Failed => write!(f, " -> not made"),
            Outcome::Maybe => write!(f, " -> maybe"),
        }
    }
}
