//! Client certificates of any user, groups and CA.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use kcpctl::pki::{Authority, Leaf, Validity};

/// The life of everything that is signed here.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A CA that no server in these tests trusts.
static STRANGER: LazyLock<Authority> = LazyLock::new(|| new_authority("a-stranger"));

/// A client certificate and its key, as PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The certificate.
    pub cert_pem: String,
    /// The key.
    pub key_pem: String,
}

impl Credentials {
    /// What `authority` signs for `user` in `groups`.
    pub fn signed_by(authority: &Authority, user: &str, groups: &[&str]) -> Self {
        let groups: Vec<String> = groups.iter().map(|&it| it.to_owned()).collect();
        let validity = Validity::starting(SystemTime::now(), LIFE).unwrap();
        let issued = authority.issue(Leaf::Client { user, groups: &groups }, validity).unwrap();
        Self { cert_pem: issued.cert_pem, key_pem: issued.key_pem }
    }

    /// What `authority` signs for a server that is reached as localhost.
    pub fn of_server(authority: &Authority) -> Self {
        let validity = Validity::starting(SystemTime::now(), LIFE).unwrap();
        let sans = ["localhost".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let issued = authority.issue(Leaf::Server { name: "server", sans: &sans }, validity);
        let issued = issued.unwrap();
        Self { cert_pem: issued.cert_pem, key_pem: issued.key_pem }
    }

    /// What an old `authority` has signed, and has expired since: of a client and of a
    /// server.
    pub fn expired(authority: &Authority, user: &str) -> [Self; 2] {
        let validity = Validity::starting(SystemTime::now() - LIFE * 3, LIFE).unwrap();
        let sans = ["localhost".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let leaves = [Leaf::Client { user, groups: &[] }, Leaf::Server { name: user, sans: &sans }];
        leaves.map(|leaf| {
            let issued = authority.issue(leaf, validity).unwrap();
            Self { cert_pem: issued.cert_pem, key_pem: issued.key_pem }
        })
    }

    /// An administrator's certificate, by a CA that nobody trusts.
    pub fn by_a_stranger() -> Self {
        Self::signed_by(&STRANGER, "intruder", &["system:masters"])
    }
}

/// A new CA, good for longer than what it signs.
pub fn new_authority(name: &str) -> Authority {
    let validity = Validity::starting(SystemTime::now(), LIFE * 2).unwrap();
    Authority::create(name, validity).unwrap()
}

/// A CA that is good since long ago, so that what it signed may have expired.
pub fn old_authority(name: &str) -> Authority {
    let validity = Validity::starting(SystemTime::now() - LIFE * 4, LIFE * 6).unwrap();
    Authority::create(name, validity).unwrap()
}
