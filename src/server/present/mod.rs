//! The last step of an answer: how its JSON is laid out, and whether it is compressed.
//!
//! ```text
//! JSON as it is kept ──► indent   for people: `?pretty=true`, or curl and browsers
//!                    ├─► yaml     `Accept: application/yaml`
//!                    └─► as it is                                   ──► gzip, if large
//! ```
//!
//! All three are byte by byte, so that a list of any size goes through in chunks and
//! nothing is parsed into a tree. What asks for none of them pays for reading two headers.
//!
//! # What is absent on purpose
//!
//! Watches are left as they are: their frames must go out at once, each on one line.

mod gzip;
mod yaml;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::accept::{self, Media};
use super::body::Body;
use super::conn::Peer;
use super::query::Query;
use crate::model::json::Indent;
use yaml::Yaml;

/// How large an answer is at least, in bytes, that is compressed: as in the original.
/// Below it the time costs more than the bytes.
pub const GZIP_BYTES_MIN: usize = 128 << 10;

/// For whom large answers are compressed that asked for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Compress {
    /// Clients on other machines: on this one it would cost more time than it saves
    #[default]
    Remote,
    /// Everyone
    Always,
    /// No one
    Never,
}

impl Compress {
    /// Whether it is worth it for `peer`.
    pub fn for_client(self, peer: &Peer) -> bool {
        match self {
            Self::Remote => !peer.address().ip().to_canonical().is_loopback(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// How far JSON for people is indented a level, in spaces: as in the original.
const INDENT: usize = 2;

/// Programs with which people look at answers themselves.
const READERS: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

/// A mark on the answer that is a stream of changes.
#[derive(Clone, Copy, Debug)]
pub struct Streaming;

/// Rewrites an answer as it goes by.
trait Rewrite: Send + 'static {
    /// Takes more of what there is.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// Ends it.
    fn finish(&mut self, out: &mut Vec<u8>);
}

impl Rewrite for Indent {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        Self::feed(self, bytes, out);
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}
}

/// How a client wants its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Presentation {
    layout: Layout,
    gzip: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Layout {
    AsItIs,
    Indented,
    Yaml,
}

impl Presentation {
    /// What a request asks for. `may_compress` is whether the bytes saved are worth the time.
    pub fn wanted(head: &Parts, may_compress: bool) -> Self {
        let text = |name| head.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("");
        let layout = match accept::media(text(header::ACCEPT)) {
            Media::Yaml => Layout::Yaml,
            Media::Json { pretty: true } => Layout::Indented,
            Media::Json { .. } => {
                let asked = head.uri.query().filter(|it| it.contains("pretty=")).and_then(|it| {
                    Query::parse(it).get("pretty").filter(|it| !it.is_empty()).map(is_true)
                });
                let agent = || text(header::USER_AGENT);
                let is_reader = || READERS.iter().any(|it| agent().starts_with(it));
                if asked.unwrap_or_else(is_reader) { Layout::Indented } else { Layout::AsItIs }
            }
        };
        let gzip = may_compress
            && head.method == Method::GET
            && accepts_gzip(text(header::ACCEPT_ENCODING));
        Self { layout, gzip }
    }

    /// Gives `response` that form.
    pub async fn apply(self, mut response: Response<Body>) -> Response<Body> {
        let nothing = Self { layout: Layout::AsItIs, gzip: false };
        if self == nothing || response.extensions().get::<Streaming>().is_some() {
            return response;
        }
        let json = HeaderValue::from_static("application/json");
        if response.headers().get(header::CONTENT_TYPE) == Some(&json) {
            match self.layout {
                Layout::AsItIs => {}
                Layout::Indented => response = rewritten(response, Indent::new(INDENT, 0)),
                Layout::Yaml => {
                    response = rewritten(response, Yaml::new());
                    let yaml = HeaderValue::from_static("application/yaml");
                    response.headers_mut().insert(header::CONTENT_TYPE, yaml);
                }
            }
        }
        if self.gzip && response.status() == StatusCode::OK {
            response = gzip::compressed(response).await;
        }
        response
    }
}

fn rewritten(response: Response<Body>, rewrite: impl Rewrite) -> Response<Body> {
    response.map(|body| body.rewritten(rewrite))
}

impl Body {
    /// The same, rewritten as it goes by.
    fn rewritten(self, mut rewrite: impl Rewrite) -> Self {
        self.mapped(move |chunk| {
            let mut out = Vec::with_capacity(chunk.map_or(0, |it| it.len() + it.len() / 2));
            match chunk {
                Some(chunk) => rewrite.feed(chunk, &mut out),
                None => rewrite.finish(&mut out),
            }
            out.into()
        })
    }
}

/// The words that Go reads as true.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// Whether `Accept-Encoding` names gzip, and not to say that it will not do.
fn accepts_gzip(accept: &str) -> bool {
    accept.split(',').any(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        let refused = |it: &str| {
            it.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0))
        };
        parts.next().is_some_and(|it| it.eq_ignore_ascii_case("gzip")) && !parts.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;

    use super::*;

    fn wanted(uri: &str, headers: &[(&str, &str)]) -> Presentation {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Presentation::wanted(&request.body(()).unwrap().into_parts().0, true)
    }

    #[test]
    fn people_get_lines_and_programs_get_bytes() {
        for (uri, headers, layout) in [
            ("/", &[][..], Layout::AsItIs),
            ("/?pretty=true", &[], Layout::Indented),
            ("/?limit=1&pretty=1", &[], Layout::Indented),
            ("/?pretty", &[], Layout::AsItIs),
            ("/?pretty=", &[("user-agent", "curl/8.1")], Layout::Indented),
            ("/?pretty=0", &[("user-agent", "curl/8.1")], Layout::AsItIs),
            ("/?pretty=nonsense", &[("user-agent", "curl/8.1")], Layout::AsItIs),
            ("/", &[("user-agent", "curl/8.1")], Layout::Indented),
            ("/", &[("user-agent", "kubectl/v1.32.4")], Layout::AsItIs),
            ("/", &[("accept", "application/json;pretty=1")], Layout::Indented),
            ("/", &[("accept", "application/yaml")], Layout::Yaml),
            ("/?pretty=1", &[("accept", "application/yaml")], Layout::Yaml),
            ("/", &[("accept", "application/json, application/yaml")], Layout::AsItIs),
            (
                "/",
                &[("accept", "application/vnd.kubernetes.protobuf, application/yaml")],
                Layout::Yaml,
            ),
            // Nothing here can be served: the refusal is for a person.
            ("/", &[("accept", "text/html")], Layout::Indented),
        ] {
            assert_eq!(wanted(uri, headers).layout, layout, "{uri} {headers:?}");
        }
    }

    #[test]
    fn gzip_is_for_who_names_it() {
        for (accept, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0.0", false),
            ("*", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(accept), expected, "{accept}");
        }
        assert!(wanted("/", &[("accept-encoding", "gzip")]).gzip);
    }

    #[tokio::test]
    async fn a_watch_is_left_alone() {
        let mut response = Response::new(Body::from("{\"a\":1}\n"));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.extensions_mut().insert(Streaming);
        let presentation = wanted("/?pretty=1", &[("accept-encoding", "gzip")]);
        let sent = presentation.apply(response).await.into_body().collect().await.unwrap();
        assert_eq!(sent.to_bytes(), "{\"a\":1}\n");
    }
}
