//! The text of all metrics, in one of two formats.
//!
//! `OpenMetrics` is what the library writes and what Prometheus asks for. The older text
//! format is for everyone else: there a counter's family carries its `_total`, and
//! nothing marks the end.

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, as they are sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exposition {
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub text: String,
}

impl Exposition {
    /// What a client that said `accept` wants of `open_metrics`, which has no end yet.
    pub(super) fn new(mut open_metrics: String, accept: Option<&str>) -> Self {
        if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            open_metrics.push_str("# EOF\n");
            return Self { content_type: OPEN_METRICS, text: open_metrics };
        }
        Self { content_type: TEXT, text: older(&open_metrics) }
    }
}

/// The same in the older format.
fn older(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 1024);
    // Help comes before the type that says what its family is called.
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let total = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take_if(|(of, _)| *of == name) {
                text.extend(["# HELP ", name, total, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, total, " ", kind, "\n"]);
        } else if !line.starts_with("# UNIT ") {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "\
# HELP a_request Requests.
# TYPE a_request counter
a_request_total{code=\"200\"} 1
# HELP b B.
# TYPE b gauge
b 2
";

    #[test]
    fn prometheus_gets_what_it_asks_for() {
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
        let sent = Exposition::new(OPEN.to_owned(), Some(accept));
        assert_eq!(sent.content_type, OPEN_METRICS);
        assert_eq!(sent.text, format!("{OPEN}# EOF\n"));
    }

    #[test]
    fn everyone_else_gets_families_that_are_called_as_their_samples() {
        let sent = Exposition::new(OPEN.to_owned(), Some("*/*"));
        assert_eq!(sent.content_type, TEXT);
        assert_eq!(
            sent.text,
            "\
# HELP a_request_total Requests.
# TYPE a_request_total counter
a_request_total{code=\"200\"} 1
# HELP b B.
# TYPE b gauge
b 2
"
        );
    }
}
