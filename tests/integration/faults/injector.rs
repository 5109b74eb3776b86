//! Breaks one thing after the other, and mends it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;

use super::cluster::Cluster;
use super::say;
use super::workload::exports;
use crate::support::{Client, Request, Traffic, eventually};

/// How long something stays broken, in milliseconds: less than an election takes, and more.
const BROKEN: std::ops::Range<u64> = 300..5000;

/// How long one of so many stays broken where there is time for it: longer than all
/// patience of a server with one member.
const BROKEN_LONG: (std::ops::Range<u64>, u32, Duration) =
    (8000..16_000, 6, Duration::from_secs(120));

/// How long everything is well in between.
const WELL: std::ops::Range<u64> = 200..1000;

/// How late a slow etcd answers, in milliseconds.
const SLOW: std::ops::Range<u64> = 20..150;

/// What can break.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillMember,
    KillLeader,
    PauseMember,
    PauseLeader,
    LoseQuorum,
    KillReplica,
    RestartReplica,
    PauseReplica,
    CutReplica,
    BlockReplica,
    UnanswerReplica,
    LoseAnswers,
    CutOneWay,
    SlowReplica,
    SlowEverything,
    Fill,
    Compact,
    CompactWhileCut,
    CompactAndRestart,
}

const FAULTS: [Fault; 19] = [
    Fault::KillMember,
    Fault::KillLeader,
    Fault::PauseMember,
    Fault::PauseLeader,
    Fault::LoseQuorum,
    Fault::KillReplica,
    Fault::RestartReplica,
    Fault::PauseReplica,
    Fault::CutReplica,
    Fault::BlockReplica,
    Fault::UnanswerReplica,
    Fault::LoseAnswers,
    Fault::CutOneWay,
    Fault::SlowReplica,
    Fault::SlowEverything,
    Fault::Fill,
    Fault::Compact,
    Fault::CompactWhileCut,
    Fault::CompactAndRestart,
];

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::KillMember => "a member is killed",
            Self::KillLeader => "the leader is killed",
            Self::PauseMember => "a member is stopped",
            Self::PauseLeader => "the leader is stopped",
            Self::LoseQuorum => "two members are stopped",
            Self::KillReplica => "a server is killed",
            Self::RestartReplica => "a server is restarted",
            Self::PauseReplica => "a server is stopped",
            Self::CutReplica => "a server is cut off",
            Self::BlockReplica => "nothing arrives from a server",
            Self::UnanswerReplica => "no answer arrives at a server",
            Self::LoseAnswers => "answers to a server are lost",
            Self::CutOneWay => "a server is cut off from a member",
            Self::SlowReplica => "etcd is slow for a server",
            Self::SlowEverything => "etcd is slow for all servers",
            Self::Fill => "etcd is full",
            Self::Compact => "etcd is compacted",
            Self::CompactWhileCut => "etcd is compacted while a server is cut off",
            Self::CompactAndRestart => "etcd is compacted, and a server is restarted",
        }
    }
}

/// Who breaks things.
pub struct Injector<'a> {
    cluster: &'a mut Cluster,
    clients: Vec<Client>,
    random: StdRng,
    /// Some things stay broken for long.
    has_time: bool,
    /// What was broken, and how long it took each time until all was well again.
    pub done: BTreeMap<&'static str, Vec<Duration>>,
}

impl<'a> Injector<'a> {
    pub fn new(cluster: &'a mut Cluster, clients: Vec<Client>, seed: u64) -> Self {
        let (random, done) = (StdRng::seed_from_u64(seed), BTreeMap::new());
        Self { cluster, clients, random, has_time: false, done }
    }

    /// Breaks things until it is time, each about as often as any other; only those whose
    /// names have `only` in them.
    pub fn run(&mut self, until: Instant, only: &str) {
        let faults: Vec<Fault> = FAULTS.into_iter().filter(|it| it.name().contains(only)).collect();
        assert!(!faults.is_empty(), "no fault is called {only}");
        self.has_time = until.saturating_duration_since(Instant::now()) > BROKEN_LONG.2;
        let mut next = Vec::new();
        while Instant::now() < until {
            let Some(fault) = next.pop() else {
                next.clone_from(&faults);
                next.shuffle(&mut self.random);
                continue;
            };
            self.wait(WELL);
            say(&format!("  {}", fault.name()));
            self.inject(fault);
            let mended = Instant::now();
            self.wait_until_well();
            self.done.entry(fault.name()).or_default().push(mended.elapsed());
        }
    }

    /// Leaves it broken for a while.
    fn leave(&mut self) {
        let long = self.has_time && self.random.random_ratio(1, BROKEN_LONG.1);
        self.wait(if long { BROKEN_LONG.0 } else { BROKEN });
    }

    fn wait(&mut self, millis: std::ops::Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.random.random_range(millis)));
    }

    /// Recovery is automatic: each server is ready, and takes a read and a write.
    fn wait_until_well(&self) {
        for client in &self.clients {
            eventually("a server that is ready again", || {
                let answer = client.try_send(&Request::new("GET", "/readyz"));
                answer.is_ok_and(|it| it.status == 200).then_some(())
            });
            eventually("a server that reads", || {
                let answer = client.try_send(&Request::new("GET", exports()));
                answer.is_ok_and(|it| it.status == 200).then_some(())
            });
            // What is not there cannot be deleted: asked of etcd, and nothing to be noted.
            let target = format!("{}/nothing", exports());
            eventually("a server that writes", || {
                let answer = client.try_send(&Request::new("DELETE", &target));
                answer.is_ok_and(|it| it.status == 404).then_some(())
            });
        }
    }

    fn inject(&mut self, fault: Fault) {
        let one = self.random.random_range(0..3);
        match fault {
            Fault::KillMember => self.kill_member(one),
            Fault::KillLeader => self.kill_member(self.cluster.leader()),
            Fault::PauseMember => self.pause_members(&[one]),
            Fault::PauseLeader => self.pause_members(&[self.cluster.leader()]),
            Fault::LoseQuorum => self.pause_members(&[one, (one + 1) % 3]),
            Fault::KillReplica => {
                self.cluster.replicas[one].kill();
                self.leave();
                self.cluster.replicas[one].start_again();
            }
            Fault::RestartReplica => {
                self.cluster.replicas[one].stop();
                self.cluster.replicas[one].start_again();
            }
            Fault::PauseReplica => {
                self.cluster.replicas[one].signal(Signal::STOP);
                self.leave();
                self.cluster.replicas[one].signal(Signal::CONT);
            }
            Fault::CutReplica => self.hinder(one, Traffic::Cut),
            Fault::BlockReplica => self.hinder(one, Traffic::Blocked),
            Fault::UnanswerReplica => self.hinder(one, Traffic::Unanswered),
            // What was asked meanwhile was done, and nobody will ever hear of it.
            Fault::LoseAnswers => {
                self.cluster.set_ways(one, Traffic::Unanswered);
                self.wait(WELL);
                self.hinder(one, Traffic::Cut);
            }
            Fault::SlowReplica => {
                let slow = self.slow();
                self.hinder(one, slow);
            }
            Fault::CutOneWay => {
                let member = self.random.random_range(0..3);
                self.cluster.ways[one][member].set(Traffic::Cut);
                self.leave();
                self.cluster.ways[one][member].set(Traffic::Flows);
            }
            Fault::SlowEverything => {
                let slow = self.slow();
                (0..3).for_each(|it| self.cluster.set_ways(it, slow));
                self.leave();
                (0..3).for_each(|it| self.cluster.set_ways(it, Traffic::Flows));
            }
            Fault::Fill => {
                self.cluster.fill();
                self.leave();
                self.cluster.make_room();
            }
            Fault::Compact => drop(self.cluster.compact()),
            Fault::CompactWhileCut => {
                self.cluster.set_ways(one, Traffic::Cut);
                self.wait(WELL);
                eventually("a compaction", || self.cluster.compact().then_some(()));
                self.cluster.set_ways(one, Traffic::Flows);
            }
            Fault::CompactAndRestart => {
                self.cluster.replicas[one].kill();
                self.wait(WELL);
                eventually("a compaction", || self.cluster.compact().then_some(()));
                self.cluster.replicas[one].start_again();
            }
        }
    }

    fn slow(&mut self) -> Traffic {
        Traffic::Crawls(Duration::from_millis(self.random.random_range(SLOW)))
    }

    fn hinder(&mut self, replica: usize, traffic: Traffic) {
        self.cluster.set_ways(replica, traffic);
        self.leave();
        self.cluster.set_ways(replica, Traffic::Flows);
    }

    fn kill_member(&mut self, member: usize) {
        self.cluster.members[member].kill();
        self.leave();
        self.cluster.members[member].begin_again();
    }

    fn pause_members(&mut self, members: &[usize]) {
        for it in members {
            self.cluster.members[*it].pause();
        }
        self.leave();
        for it in members {
            self.cluster.members[*it].resume();
        }
    }
}
