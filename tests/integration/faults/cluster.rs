//! Three members of etcd, three servers, and a way from each of these to each of those.

use crate::support::{Etcd, Proxy, Server, Traffic, eventually};

/// How often a leader of etcd says that it is there, and after how many milliseconds
/// without that another one is elected: the machine may be busy.
const RAFT: [&str; 2] = ["--heartbeat-interval=150", "--election-timeout=1500"];

/// The most that the database may have, in bytes: filled within a second.
const QUOTA: &str = "--quota-backend-bytes=50331648";

/// What fills the database, and how large a piece of it is.
const BALLAST: (&str, usize) = ("/ballast/", 1 << 20);

/// How the servers are started. Bookmarks come often, so that watches are resumed there;
/// and etcd forgets so soon that who was away for a while has to read it anew.
const FLAGS: [&str; 3] = [
    "--etcd-compaction-interval=10s",
    "--etcd-healthcheck-timeout=2s",
    "--bookmark-interval=500ms",
];

/// All processes of the suite.
pub struct Cluster {
    pub members: [Etcd; 3],
    /// By server, then by member.
    pub ways: [[Proxy; 3]; 3],
    pub replicas: [Server; 3],
}

impl Cluster {
    /// Starts everything.
    pub fn start() -> Self {
        let members = Etcd::start_cluster(&[&RAFT[..], &[QUOTA]].concat());
        let ways = [(); 3].map(|()| [0, 1, 2].map(|it: usize| Proxy::to(members[it].port())));
        let replicas = [0, 1, 2].map(|it: usize| {
            let urls = ways[it].each_ref().map(|way| way.url("http")).join(",");
            Server::start_with(&[&["--etcd-servers", &*urls], &FLAGS[..]].concat())
        });
        Self { members, ways, replicas }
    }

    /// The member that leads, as soon as one does.
    pub fn leader(&self) -> usize {
        eventually("a leader of etcd", || {
            self.members.iter().position(|it| it.status().is_some_and(|(_, leads)| leads))
        })
    }

    /// What happens on the ways from a server to all members.
    pub fn set_ways(&self, replica: usize, traffic: Traffic) {
        for way in &self.ways[replica] {
            way.set(traffic);
        }
    }

    /// Writes until etcd is full.
    pub fn fill(&self) {
        let block = vec![b'x'; BALLAST.1];
        let mut number = 0;
        eventually("a full etcd", || {
            number += 1;
            let key = format!("{}{number}", BALLAST.0);
            let member = &self.members[number % 3];
            let full = !member.has_room_for(&key, &block) && member.has_alarm() == Some(true);
            full.then_some(())
        });
    }

    /// Makes room again.
    pub fn make_room(&self) {
        let [one, ..] = &self.members;
        // Deleting is refused as well as long as the alarm holds.
        eventually("an etcd without an alarm", || {
            self.members.iter().all(Etcd::try_defragment).then_some(())?;
            one.try_disarm().then_some(())?;
            one.try_delete_below(BALLAST.0).then_some(())?;
            self.compact().then_some(())?;
            self.members.iter().all(Etcd::try_defragment).then_some(())?;
            one.try_disarm().then_some(())?;
            (one.has_alarm() == Some(false)).then_some(())
        });
    }

    /// Makes etcd forget everything that is past; whether it did.
    pub fn compact(&self) -> bool {
        self.members.iter().any(|it| it.try_revision().is_some_and(|now| it.try_compact(now)))
    }
}
