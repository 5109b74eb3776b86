//! A list: a snapshot at the revision it names, also across its pages.

use std::sync::Arc;

use http::{Response, StatusCode};

use crate::model::Revision;
use crate::store::Origin;
use crate::view::{Entry, Filter, Recall, Scope, Snapshot};

use super::token::Token;
use super::{Call, Plane, Shape, json_response};
use crate::server::body::Body;
use crate::server::encode::ListMetadata;
use crate::server::query::{ListOptions, Matching};
use crate::server::status::ApiError;

/// The items of one page, and where it ends.
struct Page {
    items: Vec<Arc<Entry>>,
    /// Where the last item stands, if there is more after it.
    last: Option<(Origin, Arc<str>)>,
}

impl Call<'_> {
    pub(super) async fn list(&self) -> Result<Response<Body>, ApiError> {
        let encoder = self.encoder(Shape::List)?;
        let options = self.query.list_options(false)?;
        let filter = self.filter(&options)?;
        let token = match options.token.as_str() {
            "" => None,
            text => {
                if options.revision.is_some() {
                    return Err(ApiError::bad_request(
                        "specifying resource version is not allowed when using continue",
                    ));
                }
                Some(Token::decode(text)?)
            }
        };
        let asked = token.as_ref().map_or(options.revision, |token| token.revision);
        self.fresh_enough(&options, asked).await?;
        let snapshot = self.snapshot(&options, token.as_ref())?;
        if token.is_none() {
            self.note_relist(&options, snapshot.revision);
        }
        let after = token.as_ref().map(|token| position(&filter.scope, &token.after));
        let after = after.as_ref().map(|(origin, path)| (origin, path.as_str()));
        let page = page(&snapshot, &filter, after, options.limit);
        let left = match (&page.last, filter.has_selectors()) {
            (None, _) | (_, true) => None,
            (Some(_), false) => {
                let known = token.and_then(|token| token.left);
                let all = known.unwrap_or_else(|| snapshot.list(&filter.scope, after).count());
                Some(all.saturating_sub(page.items.len()))
            }
        };
        let next = page.last.map(|(origin, path)| {
            let after = position_text(&filter.scope, &origin, &path);
            Token { revision: Some(snapshot.revision), after, left }.encode()
        });
        let metadata = ListMetadata {
            revision: snapshot.revision,
            token: next.unwrap_or_default(),
            remaining: left,
        };
        Ok(json_response(StatusCode::OK, encoder.list(page.items, &metadata)))
    }

    /// Notes what a client did not know before it listed, for the watch that it will
    /// begin where the list ends.
    fn note_relist(&self, options: &ListOptions, revision: Revision) {
        if let Some(recall) = self.recall(options) {
            self.app.view.relisted(&self.served.key, revision, recall);
        }
    }

    /// What a client knows that lists anew; none if history tells it all that is new.
    pub(super) fn recall(&self, options: &ListOptions) -> Option<Recall> {
        let Some(revision) = options.revision else { return Some(Recall::Unknown) };
        let remembers = self.app.view.root().remembers(&self.served.key, revision);
        (!remembers).then_some(Recall::Lost)
    }

    /// What is listed or watched, and what it must match.
    pub(super) fn filter(&self, options: &ListOptions) -> Result<Filter, ApiError> {
        if options.fields.asks_for_namespace() && !self.served.kind.namespaced {
            return Err(ApiError::bad_request("field label not supported: metadata.namespace"));
        }
        let known = match &self.app.plane {
            Plane::Cache(_) => &[][..],
            Plane::Control(control) => control.kind(&self.served.key)?.fields,
        };
        if let Some(field) = options.fields.unknown(known) {
            return Err(ApiError::bad_request(format!("field label not supported: {field}")));
        }
        let mut scope = self.scope();
        scope.name = options.fields.name().map(str::to_owned);
        Ok(Filter { scope, labels: options.labels.clone(), fields: options.fields.clone() })
    }

    /// The objects at the revision that is asked for.
    fn snapshot(&self, options: &ListOptions, token: Option<&Token>) -> Result<Snapshot, ApiError> {
        let view = &self.app.view;
        let root = view.root();
        let at = match token {
            Some(token) => token.revision,
            None => options.revision.filter(|_| match options.matching {
                Matching::Exact => true,
                Matching::NotOlderThan => false,
                Matching::Unset => options.limit > 0,
            }),
        };
        let asked = at.or(options.revision).unwrap_or(Revision::ZERO);
        if asked > root.revision() {
            return Err(ApiError::too_large_revision(asked.0, root.revision().0));
        }
        let Some(at) = at else { return Ok(root.snapshot(&self.served.key)) };
        root.snapshot_at(&self.served.key, at).map_err(|_| match token {
            None => ApiError::expired("The resourceVersion for the provided list is too old."),
            Some(token) => {
                let after = token.after.clone();
                ApiError::expired_page(&Token { revision: None, after, left: None }.encode())
            }
        })
    }
}

/// How a token writes the place of an item: by what follows the prefix that the keys of
/// the whole list share. Where a list spans several origins that prefix ends before them.
fn position_text(scope: &Scope, origin: &Origin, path: &str) -> String {
    match scope.origin {
        Some(_) => path[scope.prefix().len()..].to_owned(),
        None => format!("{}/{path}", origin.as_str()),
    }
}

/// The place that a token's text means.
fn position(scope: &Scope, text: &str) -> (Origin, String) {
    if let Some(origin) = &scope.origin {
        return (origin.clone(), format!("{}{text}", scope.prefix()));
    }
    let (origin, path) = text.split_once('/').unwrap_or((text, ""));
    (Origin::of_segment(origin), path.to_owned())
}

/// At most `limit` items that match, or all of them if it is 0.
fn page(
    snapshot: &Snapshot,
    filter: &Filter,
    after: Option<(&Origin, &str)>,
    limit: usize,
) -> Page {
    let mut items = Vec::new();
    let mut last = None;
    let selects = filter.has_selectors();
    for (origin, path, entry) in snapshot.list(&filter.scope, after) {
        if selects && !filter.selects(path, entry) {
            continue;
        }
        if limit > 0 && items.len() == limit {
            let last =
                last.map(|(origin, path): (&Origin, &Arc<str>)| (origin.clone(), path.clone()));
            return Page { items, last };
        }
        items.push(entry.clone());
        if limit > 0 {
            last = Some((origin, path));
        }
    }
    Page { items, last: None }
}
