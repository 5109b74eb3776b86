//! Deleting all objects of a collection that match.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use http::{Response, StatusCode};

use crate::store::{Expect, Place};
use crate::view::{CommitError, Draft, Entry};

use super::object::{DeleteOptions, unavailable};
use super::{Call, Shape, json_response};
use crate::server::body::Body;
use crate::server::encode::ListMetadata;
use crate::server::plan::Subject;
use crate::server::plan::control::{Deleted, Propagation};
use crate::server::status::ApiError;

/// How many deletes are in the queue at once, so that other writers get their turn.
const SLICE: usize = 500;

impl Call<'_> {
    pub(super) async fn delete_collection(&self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let subject = self.subject("deletecollection")?;
        let encoder = self.encoder(Shape::List)?;
        let options = self.query.list_options(false)?;
        let filter = self.filter(&options)?;
        let deletion = DeleteOptions::read(self, body)?;
        let propagation = deletion.propagation(self.query);
        let dry_run = deletion.is_dry_run() || self.query.dry_run("DeleteOptions")?;
        self.app.fresh().await?;
        let snapshot = self.app.view.snapshot(&self.served.key);
        let limit = if options.limit == 0 { usize::MAX } else { options.limit };
        let found: Vec<_> = snapshot
            .list(&filter.scope, None)
            .filter(|(_, path, entry)| filter.selects(path, entry))
            .take(limit)
            .map(|(origin, path, entry)| {
                let (kind, origin) = (self.served.key.clone(), origin.clone());
                (Place { kind, origin, path: path.clone() }, entry.clone())
            })
            .collect();
        // Whoever demands a certain object wants no other to go with it.
        for (place, entry) in &found {
            let (_, _, _, name) = place.parts();
            deletion.check(&subject, name, entry)?;
        }
        let mut gone = Vec::with_capacity(found.len());
        for slice in found.chunks(SLICE) {
            if dry_run {
                gone.extend(slice.iter().map(|(_, entry)| entry.clone()));
                continue;
            }
            let deletes =
                slice.iter().map(|(place, _)| self.delete_at(&subject, place, propagation));
            for outcome in join_all(deletes).await {
                gone.extend(outcome?);
            }
        }
        let revision = self.app.view.root().revision();
        let metadata = ListMetadata { revision, ..ListMetadata::default() };
        Ok(json_response(StatusCode::OK, encoder.list(gone, &metadata)))
    }

    /// Deletes what lives at `place` now; none if somebody else has.
    async fn delete_at(
        &self,
        subject: &Subject<'_>,
        place: &Place,
        propagation: Propagation,
    ) -> Result<Option<Arc<Entry>>, ApiError> {
        let mut current = self.stored(place);
        while let Some(entry) = current {
            let value = match self.plan_delete(subject, &entry, propagation)? {
                Deleted::Waiting => return Ok(Some(entry)),
                Deleted::Marked(value) => Some((value.stored, value.served)),
                Deleted::Now => None,
            };
            let expect = Expect::At(entry.revision());
            match self.app.view.commit(Draft { place: place.clone(), expect, value }).await {
                Ok(_) => return Ok(Some(entry)),
                Err(CommitError::Lost(now)) => current = now,
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Ok(None)
    }
}
