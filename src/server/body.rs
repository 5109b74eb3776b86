//! What an answer is made of, and what a request brings.
//!
//! A [`Body`] is nothing, one slice of bytes, or a stream of slices. The first two
//! cost no allocation: a slice goes to the connection as it is.
//!
//! # What is absent on purpose
//!
//! A stream has one way to fail, [`Cut`]: the connection is closed (HTTP/1.1) or the
//! stream reset (HTTP/2), so that no client takes half an answer for a whole one. An
//! error with words belongs into the status line, or into a frame of a watch.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

/// The body of an answer.
pub struct Body {
    inner: Inner,
    /// Dropped with the answer.
    held: Option<Box<dyn Send>>,
}

enum Inner {
    Empty,
    Full(Bytes),
    Stream { frames: Frames, length: Option<u64> },
}

/// The slices of a body that comes in several.
pub(super) type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, Cut>> + Send>>;

/// The body of a request.
#[derive(Debug)]
pub enum Sent {
    /// From a connection, as it comes.
    Network(Incoming),
    /// From within the process.
    Memory(Full<Bytes>),
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Network(body) => Pin::new(body).poll_frame(context),
            Self::Memory(body) => {
                Pin::new(body).poll_frame(context).map_err(|never| match never {})
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Network(body) => body.is_end_stream(),
            Self::Memory(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Network(body) => body.size_hint(),
            Self::Memory(body) => body.size_hint(),
        }
    }
}

/// The rest of an answer cannot be given.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the answer was cut short")]
pub struct Cut;

impl Body {
    /// Nothing.
    pub const fn empty() -> Self {
        Self::of(Inner::Empty)
    }

    /// Slices of unknown number, such as a watch. The end of the stream is the end
    /// of the answer.
    pub fn stream(frames: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::cuttable(frames.map(Ok))
    }

    /// Slices of unknown number, of which the last may never come.
    pub fn cuttable(frames: impl Stream<Item = Result<Bytes, Cut>> + Send + 'static) -> Self {
        Self::of(Inner::Stream { frames: Box::pin(frames), length: None })
    }

    /// Slices that come to exactly `length` bytes, unless they are cut short.
    pub fn sized(
        length: u64,
        frames: impl Stream<Item = Result<Bytes, Cut>> + Send + 'static,
    ) -> Self {
        Self::of(Inner::Stream { frames: Box::pin(frames), length: Some(length) })
    }

    const fn of(inner: Inner) -> Self {
        Self { inner, held: None }
    }

    /// Keeps `guard` until the answer was taken or given up.
    #[must_use]
    pub fn holding(mut self, guard: impl Send + 'static) -> Self {
        self.held = Some(Box::new(guard));
        self
    }

    /// Whether it may have more than `bytes` bytes.
    pub fn is_longer_than(&self, bytes: usize) -> bool {
        match &self.inner {
            Inner::Empty => false,
            Inner::Full(all) => all.len() > bytes,
            Inner::Stream { .. } => true,
        }
    }
}

/// Giving it another form on its way out.
impl Body {
    /// Its slices.
    pub(super) fn into_frames(self) -> Frames {
        let frames = match self.inner {
            Inner::Empty => futures::stream::empty().boxed(),
            Inner::Full(bytes) => futures::stream::iter([Ok(bytes)]).boxed(),
            Inner::Stream { frames, .. } => frames,
        };
        match self.held {
            None => frames,
            Some(held) => frames.inspect(move |_| _ = &held).boxed(),
        }
    }

    /// The same with `map` of each slice, and of the end (`None`).
    pub(super) fn mapped(
        self,
        mut map: impl FnMut(Option<&[u8]>) -> Bytes + Send + 'static,
    ) -> Self {
        let Self { inner, held } = self;
        let mut frames = match inner {
            Inner::Empty => return Self { inner, held },
            Inner::Full(bytes) => {
                let all = Self::from([map(Some(&bytes)), map(None)].concat());
                return Self { held, ..all };
            }
            Inner::Stream { frames, .. } => Some(frames),
        };
        let mapped = Self::cuttable(futures::stream::poll_fn(move |cx| {
            let Some(before) = &mut frames else { return Poll::Ready(None) };
            let frame = std::task::ready!(before.as_mut().poll_next(cx));
            let out = if let Some(frame) = frame {
                frame.map(|bytes| map(Some(&bytes)))
            } else {
                frames = None;
                Ok(map(None))
            };
            Poll::Ready(Some(out))
        }));
        Self { held, ..mapped }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self::of(Inner::Full(bytes)) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.inner {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.inner = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Stream { frames, length } => {
                let frame = std::task::ready!(frames.as_mut().poll_next(cx));
                if let (Some(Ok(bytes)), Some(length)) = (&frame, length) {
                    *length = length.saturating_sub(bytes.len() as u64);
                }
                Poll::Ready(frame.map(|frame| frame.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.inner, Inner::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream { length: Some(length), .. } => SizeHint::with_exact(*length),
            Inner::Stream { length: None, .. } => SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.inner {
            Inner::Empty => f.write_str("Body::empty"),
            Inner::Full(bytes) => write!(f, "Body::full({} bytes)", bytes.len()),
            Inner::Stream { length, .. } => write!(f, "Body::stream({length:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_slice_is_sent_as_it_is() {
        let bytes = Bytes::from(vec![b'x'; 100]);
        let body = Body::from(bytes.clone());
        assert_eq!(body.size_hint().exact(), Some(100));
        let sent = body.collect().await.unwrap().to_bytes();
        assert_eq!(sent.as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_short_fails() {
        let frames = futures::stream::iter([Ok(Bytes::from_static(b"[1,")), Err(Cut)]);
        assert!(Body::cuttable(frames).collect().await.is_err());
    }

    #[test]
    fn nothing_is_nothing_however_it_is_said() {
        for body in [Body::empty(), Body::from(""), Body::from(Vec::new())] {
            assert!(body.is_end_stream(), "{body:?}");
        }
    }
}
