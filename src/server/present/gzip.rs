//! Large answers made small, for who asked for it and is far away.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt as _;
use http::{HeaderValue, Response, header};

use super::{GZIP_BYTES_MIN, Rewrite};
use crate::server::body::Body;

/// The fastest level, as in the original: a better one halves the speed to save a
/// tenth of the bytes.
const LEVEL: u32 = 1;

/// Compresses what goes by. Writing to memory does not fail.
struct Gzip(GzEncoder<Vec<u8>>);

impl Rewrite for Gzip {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let _ = self.0.write_all(bytes);
        out.append(self.0.get_mut());
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let _ = self.0.try_finish();
        out.append(self.0.get_mut());
    }
}

/// Compresses `response` if it comes to [`GZIP_BYTES_MIN`].
///
/// The first chunks are made before the head is sent, to know whether it will; they
/// are made from memory, so that nobody waits for them.
pub(super) async fn compressed(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let mut frames = body.into_frames();
    let (mut begun, mut size) = (Vec::new(), 0);
    while size < GZIP_BYTES_MIN {
        let Some(frame) = frames.next().await else {
            // Small answers are one slice, and stay it.
            let body = match &mut begun[..] {
                [] => Body::empty(),
                [Ok(bytes)] => Body::from(std::mem::take(bytes)),
                _ => Body::cuttable(futures::stream::iter(begun)),
            };
            return Response::from_parts(head, body);
        };
        size += frame.as_ref().map_or(0, Bytes::len);
        begun.push(frame);
    }
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    head.headers.remove(header::CONTENT_LENGTH);
    let body = Body::cuttable(futures::stream::iter(begun).chain(frames));
    Response::from_parts(
        head,
        body.rewritten(Gzip(GzEncoder::new(Vec::new(), Compression::new(LEVEL)))),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::server::body::Cut;

    fn chunks(count: usize) -> Vec<Result<Bytes, Cut>> {
        (b'a'..=b'z').cycle().take(count).map(|it| Ok(Bytes::from(vec![it; 1 << 15]))).collect()
    }

    async fn sent(frames: Vec<Result<Bytes, Cut>>) -> (bool, Result<Bytes, Cut>) {
        let body = Body::cuttable(futures::stream::iter(frames));
        let response = compressed(Response::new(body)).await;
        let is_gzip = response.headers().contains_key(header::CONTENT_ENCODING);
        (is_gzip, response.into_body().collect().await.map(http_body_util::Collected::to_bytes))
    }

    #[tokio::test]
    async fn what_is_large_is_compressed_and_means_the_same() {
        for (count, expected) in [(1, false), (3, false), (4, true), (40, true)] {
            let whole: Vec<u8> = chunks(count).into_iter().flat_map(Result::unwrap).collect();
            let (is_gzip, body) = sent(chunks(count)).await;
            assert_eq!(is_gzip, expected, "{count}");
            let body = body.unwrap();
            if is_gzip {
                let mut read = Vec::new();
                flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut read).unwrap();
                assert!(read == whole && body.len() < whole.len() / 10, "{count}");
            } else {
                assert!(body == whole, "{count}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_cut_short_stays_cut_short() {
        for count in [0, 1, 10] {
            let mut frames = chunks(count);
            frames.push(Err(Cut));
            assert_eq!(sent(frames).await.1, Err(Cut), "{count}");
        }
    }
}
