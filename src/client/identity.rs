//! Who a kubeconfig says that we are, for the day on which a server says no.

use std::fs;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::AuthInfo;

use crate::pki::Certificate;

/// One clause about the credentials in `auth`, as they are at `now`.
pub(super) fn describe(auth: &AuthInfo, now: SystemTime) -> String {
    let pem = match (&auth.client_certificate_data, &auth.client_certificate) {
        (Some(data), _) => STANDARD.decode(data).ok(),
        (None, Some(path)) => fs::read(path).ok(),
        (None, None) => return without_certificate(auth).to_owned(),
    };
    let leaf = pem
        .and_then(|pem| String::from_utf8(pem).ok())
        .and_then(|pem| Certificate::from_pem(&pem).ok())
        .and_then(|chain| chain.into_iter().next());
    match leaf {
        Some((leaf, _)) => of_certificate(&leaf, now),
        None => "the kubeconfig shows a client certificate that cannot be read".to_owned(),
    }
}

fn without_certificate(auth: &AuthInfo) -> &'static str {
    if auth.token.is_some() || auth.token_file.is_some() {
        "the kubeconfig shows a token, and a cache server wants a client certificate"
    } else if auth.exec.is_some() {
        "the kubeconfig shows what its `exec` command answers"
    } else {
        "the kubeconfig shows no client certificate"
    }
}

fn of_certificate(leaf: &Certificate, now: SystemTime) -> String {
    let groups: Vec<String> = leaf.organizations.iter().map(|it| format!("`{it}`")).collect();
    let groups = match groups.as_slice() {
        [] => "no group".to_owned(),
        [one] => format!("the group {one}"),
        many => format!("the groups {}", many.join(", ")),
    };
    let until = jiff::Timestamp::try_from(leaf.validity.not_after)
        .map_or_else(|_| "an unknown time".to_owned(), |it| it.strftime("%F %T UTC").to_string());
    let validity = if leaf.validity.contains(now) {
        format!("valid until {until}")
    } else if now > leaf.validity.not_after {
        format!("which expired at {until}")
    } else {
        "which is not valid yet".to_owned()
    };
    let user = &leaf.common_name;
    format!("the kubeconfig shows a certificate of the user `{user}` in {groups}, {validity}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_described_in_one_clause() {
        let now = SystemTime::UNIX_EPOCH;
        let mut auth = AuthInfo::default();
        assert_eq!(describe(&auth, now), "the kubeconfig shows no client certificate");
        auth.client_certificate_data = Some("bm90IGEgY2VydGlmaWNhdGU=".to_owned());
        assert_eq!(
            describe(&auth, now),
            "the kubeconfig shows a client certificate that cannot be read"
        );
    }

    #[test]
    fn a_certificate_says_user_groups_and_end() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "ada");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "kcpctl:reader");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        let auth =
            AuthInfo { client_certificate_data: Some(STANDARD.encode(pem)), ..AuthInfo::default() };
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let shown = "the kubeconfig shows a certificate of the user `ada` in the group \
                     `kcpctl:reader`, ";
        let cases = [
            (1_780_000_000, "valid until 2027-01-01 00:00:00 UTC"),
            (1_900_000_000, "which expired at 2027-01-01 00:00:00 UTC"),
            (1_600_000_000, "which is not valid yet"),
        ];
        for (seconds, end) in cases {
            assert_eq!(describe(&auth, at(seconds)), format!("{shown}{end}"));
        }
    }
}
