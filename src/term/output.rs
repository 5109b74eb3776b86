//! stdout, which is data, and stderr, which is talk.

use std::io::{self, BufWriter, IsTerminal, Write};

use super::style::{self, Meaning};

/// stdout, buffered.
///
/// Call [`Output::finish`] at the end: a drop flushes too, but cannot say that it failed.
pub struct Output {
    out: BufWriter<Box<dyn Write>>,
    is_terminal: bool,
}

/// A failed write to stdout.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The reader has gone, as `head` does.
    #[error("the reader of the output has gone")]
    Closed,
    /// The write failed.
    #[error("failed to write the output")]
    Failed {
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<io::Error> for OutputError {
    fn from(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Failed { source }
        }
    }
}

impl Output {
    /// The process's stdout.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Self { out: BufWriter::with_capacity(64 << 10, Box::new(stdout)), is_terminal }
    }

    /// Any other writer, such as a test's.
    pub fn to(writer: impl Write + 'static) -> Self {
        Self { out: BufWriter::new(Box::new(writer)), is_terminal: false }
    }

    /// Whether a person reads it as it comes.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether it shows colours.
    pub fn has_colour(&self) -> bool {
        self.is_terminal && style::allowed()
    }

    /// Writes `line` and a newline.
    pub fn line(&mut self, line: &str) -> Result<(), OutputError> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// Sends what is buffered, so that a reader sees it now.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        self.out.flush()?;
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.out.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Tells the user something on stderr.
pub fn say(message: &str) {
    talk(format!("{message}\n").as_bytes());
}

/// Warns the user on stderr.
pub fn warn(message: &str) {
    talk(format!("{} {message}\n", Meaning::Caution.paint("warning:")).as_bytes());
}

/// Shows a rendered failure on stderr, with its words `error:` and `hint:` in colour.
pub fn failure(rendered: &str) {
    for line in rendered.lines() {
        let painted = [("error:", Meaning::Danger), ("hint:", Meaning::Advice)]
            .into_iter()
            .find_map(|(word, meaning)| {
                line.strip_prefix(word).map(|rest| format!("{}{rest}", meaning.paint(word)))
            });
        say(painted.as_deref().unwrap_or(line));
    }
}

/// Nobody can be told that stderr is closed.
fn talk(message: &[u8]) {
    let _ = io::stderr().lock().write_all(message);
}
