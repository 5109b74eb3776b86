//! Answers over HTTP/2 that their client does not take are let go.
//!
//! hyper does not look at an answer whose client grants it no window, and meanwhile
//! other answers of the connection move. So every slice that is handed to a connection
//! is counted until it was written, and from time to time somebody looks from outside:
//!
//! * an answer that has more to send, and was not asked for it for `stall`, is emptied:
//!   its snapshot is free, and should its client read on, the stream is reset;
//! * a connection on which slices wait, and nothing moved for `stall`, is closed;
//! * so is one that has a slice which nobody took for `unread`, however much else moves;
//! * one that had no request for `idle` says goodbye.
//!
//! What a client can make us hold is then bounded in bytes, two slices a stream, and in
//! time. The clock is a value, so that tests need not wait for it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;

use super::limits::SEND_BUFFER_BYTES;
use crate::server::body::{Body, Cut};

/// How long a client may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// With slices that wait for it.
    pub(super) stall: Duration,
    /// With one slice, while others move.
    pub(super) unread: Duration,
    /// Without a request.
    pub(super) idle: Duration,
}

/// What a connection owes its client. All counters are those of one connection, so
/// that no two connections meet here.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Requests that began, and those of them that are over.
    begun: AtomicUsize,
    over: AtomicUsize,
    /// Slices that were handed over and not written, in two generations.
    waiting: [AtomicUsize; 2],
    /// Which generation new slices are of.
    young: AtomicUsize,
    /// Whether anything was written since the last look.
    moved: AtomicBool,
    /// The answers that have more than one slice.
    running: Mutex<Vec<Weak<Running>>>,
}

/// What somebody who looks remembers of the last time.
#[derive(Debug)]
pub(super) struct Lookout {
    patience: Patience,
    /// When nothing waited or something moved.
    moved_at: Instant,
    /// Since when no slice was added to the older generation.
    turned_at: Instant,
    /// When a request was under way.
    busy_at: Instant,
    begun: usize,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Nothing.
    GoOn,
    /// Ask the client to leave.
    Idle,
    /// Close it.
    Stalled,
}

impl Lookout {
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self { patience, moved_at: now, turned_at: now, busy_at: now, begun: 0 }
    }

    /// Looks after `flow`; also how many answers were emptied.
    pub(super) fn look(&mut self, flow: &Flow, now: Instant) -> (Verdict, usize) {
        let emptied = flow.empty_stalled(now, self.patience.stall);
        (self.judge(flow, now), emptied)
    }

    fn judge(&mut self, flow: &Flow, now: Instant) -> Verdict {
        let young = flow.young.load(Ordering::Relaxed);
        let waiting = [young, 1 - young].map(|it| flow.waiting[it].load(Ordering::Relaxed));
        let moved = flow.moved.swap(false, Ordering::Relaxed);
        if moved || waiting == [0, 0] {
            self.moved_at = now;
        }
        if waiting[1] == 0 {
            // Everything that waits now may grow old; what comes is young.
            flow.young.store(1 - young, Ordering::Relaxed);
            self.turned_at = now;
        }
        let over = flow.over.load(Ordering::Relaxed);
        let begun = flow.begun.load(Ordering::Relaxed);
        if begun != over || begun != self.begun || waiting != [0, 0] {
            self.busy_at = now;
            self.begun = begun;
        }
        let Patience { stall, unread, idle } = self.patience;
        if now - self.moved_at >= stall || now - self.turned_at >= unread {
            Verdict::Stalled
        } else if now - self.busy_at >= idle {
            Verdict::Idle
        } else {
            Verdict::GoOn
        }
    }
}

impl Flow {
    /// Counts a request until the answer, which is made with the outcome, is over.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    fn hand_over(self: &Arc<Self>, bytes: Bytes) -> Slice {
        let generation = self.young.load(Ordering::Relaxed);
        self.waiting[generation].fetch_add(1, Ordering::Relaxed);
        Slice { bytes, generation, flow: Arc::clone(self) }
    }

    fn empty_stalled(&self, now: Instant, stall: Duration) -> usize {
        let mut emptied = 0;
        self.running.lock().retain(|running| {
            let Some(running) = running.upgrade() else { return false };
            // Whoever holds it is asking for more.
            let Some(mut rest) = running.0.try_lock() else { return true };
            let stalled = rest.is_stalled(now, stall);
            if stalled {
                *rest = Rest::emptied();
                emptied += 1;
            }
            !stalled
        });
        emptied
    }
}

/// A request that is not over.
#[derive(Debug)]
pub(super) struct Open(Arc<Flow>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.over.fetch_add(1, Ordering::Relaxed);
    }
}

/// Bytes on their way to a client.
#[derive(Debug)]
pub(super) struct Slice {
    bytes: Bytes,
    generation: usize,
    flow: Arc<Flow>,
}

impl Buf for Slice {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.flow.moved.store(true, Ordering::Relaxed);
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        self.flow.waiting[self.generation].fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer whose slices are counted.
#[derive(Debug)]
pub(super) struct Counted {
    open: Open,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// One slice at most: it waits in the connection, or nowhere.
    Small(Body),
    Large(Arc<Running>),
}

/// An answer that has more to send, within reach of who looks after it.
#[derive(Debug)]
struct Running(Mutex<Rest>);

#[derive(Debug)]
struct Rest {
    /// None after it was emptied.
    body: Option<Body>,
    /// What is left of its last frame, which may be as long as an object.
    frame: Bytes,
    /// Whether the client has a slice to take before there is another.
    handed: bool,
    /// When that was seen first.
    seen: Option<Instant>,
}

impl Counted {
    pub(super) fn new(body: Body, open: Open) -> Self {
        if !body.is_longer_than(SEND_BUFFER_BYTES) {
            return Self { open, answer: Answer::Small(body) };
        }
        let rest = Rest { body: Some(body), frame: Bytes::new(), handed: false, seen: None };
        let running = Arc::new(Running(Mutex::new(rest)));
        open.0.running.lock().push(Arc::downgrade(&running));
        Self { open, answer: Answer::Large(running) }
    }
}

impl Rest {
    fn emptied() -> Self {
        Self { body: None, frame: Bytes::new(), handed: false, seen: None }
    }

    fn is_stalled(&mut self, now: Instant, stall: Duration) -> bool {
        self.handed && now - *self.seen.get_or_insert(now) >= stall
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        self.handed = false;
        self.seen = None;
        if self.frame.is_empty() {
            let Some(body) = &mut self.body else { return Poll::Ready(Some(Err(Cut))) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(cut)) => return Poll::Ready(Some(Err(cut))),
                Some(Ok(frame)) => self.frame = frame.into_data().unwrap_or_default(),
            }
        }
        self.handed = true;
        Poll::Ready(Some(Ok(self.frame.split_to(self.frame.len().min(SEND_BUFFER_BYTES)))))
    }

    fn is_over(&self) -> bool {
        self.frame.is_empty() && self.body.as_ref().is_some_and(Body::is_end_stream)
    }
}

impl http_body::Body for Counted {
    type Data = Slice;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Slice>, Cut>>> {
        let polled = match &mut self.answer {
            Answer::Small(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|next| next.map(|frame| frame.map(|it| it.into_data().unwrap_or_default()))),
            Answer::Large(running) => running.0.lock().poll(cx),
        };
        let flow = &self.open.0;
        polled.map(|next| next.map(|bytes| bytes.map(|it| Frame::data(flow.hand_over(it)))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.answer {
            Answer::Small(body) => body.is_end_stream(),
            Answer::Large(running) => running.0.lock().is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.answer {
            Answer::Small(body) => body.size_hint(),
            // Asked once, before anything was taken.
            Answer::Large(running) => {
                let rest = running.0.lock();
                rest.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, stream};
    use http_body_util::BodyExt as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience = Patience {
        stall: Duration::from_secs(60),
        unread: Duration::from_secs(600),
        idle: Duration::from_secs(95),
    };

    /// A connection, who looks after it, and the time.
    struct Scene {
        flow: Arc<Flow>,
        lookout: Lookout,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let now = Instant::now();
            Self { flow: Arc::default(), lookout: Lookout::new(PATIENCE, now), now }
        }

        fn answer(&self, body: Body) -> Counted {
            Counted::new(body, self.flow.begin())
        }

        /// Looks every second; what was found at the last time.
        fn pass(&mut self, seconds: u32) -> (Verdict, usize) {
            let mut emptied = 0;
            for _ in 0..seconds {
                self.now += SECOND;
                let (verdict, more) = self.lookout.look(&self.flow, self.now);
                emptied += more;
                if verdict != Verdict::GoOn {
                    return (verdict, emptied);
                }
            }
            (Verdict::GoOn, emptied)
        }
    }

    /// The next slice of an answer that has one.
    fn next(answer: &mut Counted) -> Slice {
        answer.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap()
    }

    fn endless() -> Body {
        Body::stream(stream::repeat(Bytes::from_static(b"more")))
    }

    #[test]
    fn a_connection_on_which_nothing_moves_is_closed() {
        let mut scene = Scene::new();
        let mut answer = scene.answer(Body::from("small"));
        let slice = next(&mut answer);
        drop(answer);
        assert_eq!(scene.pass(59), (Verdict::GoOn, 0));
        assert_eq!(scene.pass(2).0, Verdict::Stalled);
        drop(slice);
        assert_eq!(scene.pass(1).0, Verdict::GoOn);
    }

    #[test]
    fn an_answer_that_is_not_taken_is_emptied_while_others_move() {
        let mut scene = Scene::new();
        let mut stalled = scene.answer(endless());
        let mut moving = scene.answer(endless());
        let stuck = next(&mut stalled);
        let mut emptied = 0;
        for _ in 0..62 {
            next(&mut moving).advance(4);
            let (verdict, more) = scene.pass(1);
            assert_eq!(verdict, Verdict::GoOn);
            emptied += more;
        }
        assert_eq!(emptied, 1);
        drop(stuck);
        assert!(stalled.frame().now_or_never().unwrap().unwrap().is_err(), "it is not whole");
        next(&mut moving);
    }

    #[test]
    fn one_slice_that_nobody_takes_ends_a_connection_that_moves() {
        let mut scene = Scene::new();
        let stuck = next(&mut scene.answer(Body::from("small")));
        let mut verdicts = Vec::new();
        for _ in 0..610 {
            next(&mut scene.answer(Body::from("other"))).advance(5);
            verdicts.push(scene.pass(1).0);
        }
        let first = verdicts.iter().position(|it| *it == Verdict::Stalled);
        assert!(first.is_some_and(|at| (595..605).contains(&at)), "{first:?}");
        drop(stuck);
    }

    #[test]
    fn a_watch_that_has_nothing_to_tell_is_left_alone() {
        let mut scene = Scene::new();
        let mut watch = scene.answer(Body::stream(stream::pending()));
        assert!(watch.frame().now_or_never().is_none());
        assert_eq!(scene.pass(4000), (Verdict::GoOn, 0));
    }

    #[test]
    fn a_slow_reader_is_left_alone() {
        let mut scene = Scene::new();
        let mut list = scene.answer(endless());
        for _ in 0..100 {
            let mut slice = next(&mut list);
            assert_eq!(scene.pass(55), (Verdict::GoOn, 0));
            slice.advance(4);
        }
    }

    #[test]
    fn a_connection_without_requests_is_idle() {
        let mut scene = Scene::new();
        assert_eq!(scene.pass(90).0, Verdict::GoOn);
        drop(scene.answer(Body::empty()));
        assert_eq!(scene.pass(90).0, Verdict::GoOn);
        let open = scene.flow.begin();
        assert_eq!(scene.pass(200).0, Verdict::GoOn);
        drop(open);
        assert_eq!(scene.pass(97).0, Verdict::Idle);
    }

    #[test]
    fn a_long_frame_goes_in_slices_and_is_whole() {
        let scene = Scene::new();
        let bytes: Bytes = (0..SEND_BUFFER_BYTES * 2 + 5).map(|it| it.to_le_bytes()[0]).collect();
        let mut answer = scene.answer(Body::from(bytes.clone()));
        assert_eq!(answer.size_hint().exact(), Some(bytes.len() as u64));
        let mut all = Vec::new();
        while !answer.is_end_stream() {
            let slice = next(&mut answer);
            assert!(slice.remaining() <= SEND_BUFFER_BYTES);
            all.extend_from_slice(slice.chunk());
        }
        assert_eq!(all, bytes);
        assert_eq!(scene.flow.waiting[0].load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_was_emptied_gives_back_what_it_held() {
        let mut scene = Scene::new();
        let held = Arc::new(());
        let mut list = scene.answer(endless().holding(Arc::clone(&held)));
        let _stuck = next(&mut list);
        assert_eq!(scene.lookout.look(&scene.flow, scene.now).1, 0);
        assert_eq!(scene.lookout.look(&scene.flow, scene.now + PATIENCE.stall).1, 1);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
