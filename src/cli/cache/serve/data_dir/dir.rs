//! The directory itself: what is in it, and what is written when.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use super::{Clients, DataDirError, Options, Serving};
use crate::cli::files;
use crate::kubeconfig::{Cluster, Context, Credential, Kubeconfig, User};
use crate::pki::{Authority, Certificate, Found, Leaf, PkiError, Renewal, San, Validity, pem};

/// The layout that this program writes.
pub(super) const LAYOUT: &str = "1";

/// The longest file that is read here, in bytes: certificates are a thousandth of it.
const FILE_LEN_MAX: u64 = 1 << 20;

/// What our CAs are called; the rest of the name tells one directory's from another's.
const SERVING_CA: &str = "kcpctl serving CA";
const CLIENT_CA: &str = "kcpctl client CA";

/// The user of `admin.kubeconfig`.
const ADMIN: &str = "admin";
const ADMIN_GROUP: &str = "system:masters";

/// A directory whose certificates are in order.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    options: Options,
    /// The server's URL, once the port is known.
    url: OnceLock<String>,
}

/// What the server loads. Each file is replaced in place when it is renewed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TlsPaths {
    /// The serving certificate and its CA, unless flags name another.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The CA of clients, unless a flag names another.
    pub client_ca: Option<PathBuf>,
}

/// What a pass over the directory did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pass {
    /// The files that were written.
    pub written: Vec<PathBuf>,
    /// When the next certificate is due.
    pub next: SystemTime,
}

impl DataDir {
    /// Makes the directory if it is not there, and refuses one that is not ours.
    ///
    /// Nothing else is written, so that a server can take its lock on the store first.
    pub(crate) fn prepare(path: &Path) -> Result<(), DataDirError> {
        if path.exists() && !path.is_dir() {
            return Err(DataDirError::NotADirectory { path: path.to_owned() });
        }
        for data in ["member", "etcd-server/member"] {
            let path = path.join(data);
            if path.exists() {
                return Err(DataDirError::GoServer { path });
            }
        }
        let version = path.join("version");
        if let Some(found) = files::read_text_if_any(&version, FILE_LEN_MAX)?
            && found.trim() != LAYOUT
        {
            let found = found.trim().chars().take(20).collect();
            return Err(DataDirError::Layout { path: version, found });
        }
        Ok(files::make_private_dir(path)?)
    }

    /// Opens a directory, and makes its certificates if there are none.
    pub(crate) fn open_or_create(
        path: &Path,
        options: Options,
        now: SystemTime,
    ) -> Result<Self, DataDirError> {
        Self::prepare(path)?;
        let this = Self { path: path.to_owned(), options, url: OnceLock::new() };
        let path = this.file("version");
        this.make_cas(now)?;
        if !path.exists() {
            files::write(&path, format!("{LAYOUT}\n").as_bytes(), files::PUBLIC)?;
        }
        this.pass(now)?;
        Ok(this)
    }

    /// What the server loads.
    pub(crate) fn tls_paths(&self) -> TlsPaths {
        let own = |is_own, name| if is_own { Some(self.file(name)) } else { None };
        let serving = self.options.serving == Serving::Own;
        TlsPaths {
            cert: own(serving, "apiserver.crt"),
            key: own(serving, "apiserver.key"),
            client_ca: own(self.options.clients == Clients::Own, "client-ca.crt"),
        }
    }

    /// Where the embedded store lies.
    pub(crate) fn store(&self) -> PathBuf {
        self.file("store")
    }

    /// Says under which URL the server is reached, and writes `admin.kubeconfig`
    /// for it: its path, if the CA of clients is ours.
    pub(crate) fn serve_at(
        &self,
        url: &str,
        now: SystemTime,
    ) -> Result<Option<PathBuf>, DataDirError> {
        let _ = self.url.set(url.to_owned()); // a server has one URL; the first one stays
        self.pass(now)?;
        Ok((self.options.clients == Clients::Own).then(|| self.file("admin.kubeconfig")))
    }

    /// The server's URL, once it is known.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.get().map(String::as_str)
    }

    /// Renews what is due at `now`, and makes again what is missing.
    pub(crate) fn pass(&self, now: SystemTime) -> Result<Pass, DataDirError> {
        let mut pass = Pass { written: Vec::new(), next: now + self.options.lifetimes.leaf };
        if self.options.serving == Serving::Own && !self.has_found_pair() {
            let ca = self.renew_ca("ca", SERVING_CA, now, &mut pass)?;
            self.renew_serving(&ca, now, &mut pass)?;
        }
        if self.options.clients == Clients::Own {
            let ca = self.renew_ca("client-ca", CLIENT_CA, now, &mut pass)?;
            if let Some(url) = self.url() {
                self.renew_admin(&ca, url, now, &mut pass)?;
            }
        }
        Ok(pass)
    }

    /// The CA that signs clients, if it is ours.
    pub(crate) fn client_authority(&self) -> Result<Option<Authority>, DataDirError> {
        match self.options.clients {
            Clients::Own => self.read_ca("client-ca").map(Some),
            Clients::Given => Ok(None),
        }
    }

    /// How long the certificates live that are signed here.
    pub(crate) fn leaf_life(&self) -> Duration {
        self.options.lifetimes.leaf
    }

    /// What clients should trust, in PEM.
    pub(crate) fn server_ca_pem(&self) -> Result<String, DataDirError> {
        match &self.options.serving {
            Serving::Given { ca_pem } => Ok(ca_pem.clone()),
            Serving::Own if self.has_found_pair() => self.read("apiserver.crt"),
            Serving::Own => self.read("ca.crt"),
        }
    }

    /// A file or folder of the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the CAs that are not there, unless something there depends on one.
    fn make_cas(&self, now: SystemTime) -> Result<(), DataDirError> {
        let is_there = |name: &&str| self.file(name).exists();
        let mut wanted = Vec::new();
        if self.options.serving == Serving::Own && !self.has_found_pair() {
            let dependents: &[&str] = &["apiserver.crt", "apiserver.key"];
            wanted.push((["ca.crt", "ca.key"], SERVING_CA, dependents));
        }
        if self.options.clients == Clients::Own {
            let dependents: &[&str] = &["admin.kubeconfig", "kubeconfigs"];
            wanted.push((["client-ca.crt", "client-ca.key"], CLIENT_CA, dependents));
        }
        let mut missing: Vec<&str> = Vec::new();
        for (pair, _, dependents) in &wanted {
            let needed = pair.iter().chain(*dependents).any(is_there);
            missing.extend(pair.iter().filter(|name| needed && !is_there(name)));
        }
        if !missing.is_empty() {
            let missing =
                missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(DataDirError::Incomplete { path: self.path.clone(), missing });
        }
        for ([cert, key], name, _) in wanted.into_iter().filter(|(pair, ..)| !is_there(&pair[0])) {
            let path = self.file(cert);
            let failed = |source| DataDirError::Certificate { path: path.clone(), source };
            let validity = Validity::starting(now, self.options.lifetimes.ca).map_err(failed)?;
            let name = format!("{name} {:08x}", rand::random::<u32>());
            let ca = Authority::create(&name, validity).map_err(failed)?;
            files::write(&self.file(key), ca.key_pem().as_bytes(), files::PRIVATE)?;
            files::write(&path, ca.cert_pem().as_bytes(), files::PUBLIC)?;
        }
        Ok(())
    }

    /// Whether the serving pair was there before us: a Go cache server leaves one
    /// without its CA's key. It serves as it is, and nobody can renew it.
    pub(crate) fn has_found_pair(&self) -> bool {
        let is_there = |name: &&str| self.file(name).exists();
        if ["ca.crt", "ca.key"].iter().any(is_there) || !is_there(&"apiserver.key") {
            return false;
        }
        let read = self
            .read("apiserver.crt")
            .ok()
            .and_then(|text| Some(Certificate::from_pem(&text).ok()?.swap_remove(0).0));
        read.is_some_and(|leaf| !leaf.issuer.contains(SERVING_CA))
    }

    fn renew_serving(
        &self,
        ca: &Authority,
        now: SystemTime,
        pass: &mut Pass,
    ) -> Result<(), DataDirError> {
        let mut sans = vec![
            San::Dns("localhost".to_owned()),
            San::Ip(Ipv4Addr::LOCALHOST.into()),
            San::Ip(Ipv6Addr::LOCALHOST.into()),
        ];
        for san in &self.options.tls_sans {
            if !sans.contains(san) {
                sans.push(san.clone());
            }
        }
        let leaf = Leaf::Server { name: "kcpctl cache server", sans: &sans };
        let [cert, key] = ["apiserver.crt", "apiserver.key"];
        // Leaf and CA, so that the one file serves and can be trusted, too.
        let issued = self.renew_pair(ca, leaf, [cert, key], now, pass)?;
        let leaf_pem = match issued {
            Some(cert_pem) => cert_pem,
            None => first_block(&self.read(cert)?).unwrap_or_default(),
        };
        self.write_if_new(cert, &format!("{leaf_pem}{}", ca.cert_pem()), files::PUBLIC, pass)
    }

    fn renew_admin(
        &self,
        ca: &Authority,
        url: &str,
        now: SystemTime,
        pass: &mut Pass,
    ) -> Result<(), DataDirError> {
        let name = "admin.kubeconfig";
        let old = self.read_if_any(name)?.and_then(|text| Kubeconfig::from_yaml(&text).ok());
        let user = old.as_ref().and_then(|it| it.user(ADMIN));
        let pem = |credential: Option<&Credential>| match credential {
            Some(Credential::Inline(pem)) => Some(pem.clone()),
            _ => None,
        };
        let cert_pem = pem(user.map(|it| &it.cert));
        let key_pem = pem(user.map(|it| &it.key));
        let found = Found { cert_pem: cert_pem.as_deref(), key_pem: key_pem.as_deref() };
        let groups = [ADMIN_GROUP.to_owned()];
        let leaf = Leaf::Client { user: ADMIN, groups: &groups };
        let renewal = ca
            .renew(leaf, found, self.options.lifetimes.leaf, now)
            .map_err(|source| self.certificate_error("client-ca.crt", source))?;
        pass.due(renewal.certificate());
        let (cert, key) = match renewal {
            Renewal::Renewed(issued) => (issued.cert_pem, issued.key_pem),
            Renewal::NotDue(_) => (cert_pem.unwrap_or_default(), key_pem.unwrap_or_default()),
        };
        let kubeconfig = admin_kubeconfig(url, &self.server_ca_pem()?, cert, key);
        self.write_if_new(name, &kubeconfig.to_yaml(), files::PRIVATE, pass)
    }

    /// Renews a pair of files if it is due; the certificate if it was, which the
    /// caller writes.
    fn renew_pair(
        &self,
        ca: &Authority,
        leaf: Leaf<'_>,
        [cert, key]: [&str; 2],
        now: SystemTime,
        pass: &mut Pass,
    ) -> Result<Option<String>, DataDirError> {
        let (cert_pem, key_pem) = (self.read_if_any(cert)?, self.read_if_any(key)?);
        let found = Found { cert_pem: cert_pem.as_deref(), key_pem: key_pem.as_deref() };
        let renewal = ca
            .renew(leaf, found, self.options.lifetimes.leaf, now)
            .map_err(|source| self.certificate_error("ca.crt", source))?;
        pass.due(renewal.certificate());
        let Renewal::Renewed(issued) = renewal else { return Ok(None) };
        self.write_if_new(key, &issued.key_pem, files::PRIVATE, pass)?;
        Ok(Some(issued.cert_pem))
    }

    /// Gives a CA of ours a new life at half its old one. Others are left alone.
    fn renew_ca(
        &self,
        name: &str,
        ours: &str,
        now: SystemTime,
        pass: &mut Pass,
    ) -> Result<Authority, DataDirError> {
        let ca = self.read_ca(name)?;
        let cert = format!("{name}.crt");
        let is_ours =
            ca.certificate().common_name.starts_with(ours) && ca.certificate().is_self_issued();
        if !is_ours {
            return Ok(ca);
        }
        if now < ca.certificate().validity.half_life() {
            pass.due(ca.certificate());
            return Ok(ca);
        }
        let old = self.read(&cert)?;
        let ca = Validity::starting(now, self.options.lifetimes.ca)
            .and_then(|validity| ca.renewed(validity))
            .map_err(|source| self.certificate_error(&cert, source))?;
        // Someone may have added CAs of others below ours.
        let others: String = pem::blocks(&old)
            .map_err(|source| self.certificate_error(&cert, source.into()))?
            .iter()
            .skip(1)
            .map(|block| pem::encode(&block.label, &block.der))
            .collect();
        self.write_if_new(&cert, &format!("{}{others}", ca.cert_pem()), files::PUBLIC, pass)?;
        pass.due(ca.certificate());
        Ok(ca)
    }

    fn read_ca(&self, name: &str) -> Result<Authority, DataDirError> {
        let [cert, key] = [format!("{name}.crt"), format!("{name}.key")];
        let cert_pem = self.read(&cert)?;
        // Which of the two files is at fault, if one alone is.
        Certificate::from_pem(&cert_pem).map_err(|it| self.certificate_error(&cert, it))?;
        Authority::from_pem(&cert_pem, &self.read(&key)?)
            .map_err(|source| self.certificate_error(&key, source))
    }

    fn read(&self, name: &str) -> Result<String, DataDirError> {
        Ok(files::read_text(&self.file(name), FILE_LEN_MAX)?)
    }

    fn read_if_any(&self, name: &str) -> Result<Option<String>, DataDirError> {
        Ok(files::read_text_if_any(&self.file(name), FILE_LEN_MAX)?)
    }

    fn write_if_new(
        &self,
        name: &str,
        content: &str,
        mode: u32,
        pass: &mut Pass,
    ) -> Result<(), DataDirError> {
        let path = self.file(name);
        if files::read_text_if_any(&path, FILE_LEN_MAX)?.as_deref() != Some(content) {
            files::write(&path, content.as_bytes(), mode)?;
            pass.written.push(path);
        }
        Ok(())
    }

    fn certificate_error(&self, name: &str, source: PkiError) -> DataDirError {
        DataDirError::Certificate { path: self.file(name), source }
    }
}

impl Pass {
    fn due(&mut self, certificate: &Certificate) {
        self.next = self.next.min(certificate.validity.half_life());
    }
}

/// Both planes have the same URL; their contexts differ in name, so that each can
/// be asked for, and in what a client adds to the path.
fn admin_kubeconfig(url: &str, ca_pem: &str, cert: String, key: String) -> Kubeconfig {
    let planes = ["cache", "control"];
    let cluster = |name: &str| Cluster {
        name: name.to_owned(),
        server: url.to_owned(),
        ca: Credential::Inline(ca_pem.to_owned()),
    };
    let context = |name: &str| Context {
        name: name.to_owned(),
        cluster: name.to_owned(),
        user: ADMIN.to_owned(),
    };
    Kubeconfig {
        clusters: planes.map(cluster).into(),
        contexts: planes.map(context).into(),
        current_context: "cache".to_owned(),
        users: vec![User {
            name: ADMIN.to_owned(),
            cert: Credential::Inline(cert),
            key: Credential::Inline(key),
        }],
    }
}

fn first_block(text: &str) -> Option<String> {
    let block = pem::blocks(text).ok()?.into_iter().next()?;
    Some(pem::encode(&block.label, &block.der))
}
