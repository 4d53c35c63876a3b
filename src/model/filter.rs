//! Which posts the owner deletes together.

use crate::base::error::Error;
use crate::model::page::Line;
use crate::model::standing::Standing;

/// Posts by the beginning of their ids, by their views, or by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// How their ids begin; empty for all.
    pub prefix: String,
    /// Only posts with at most so many views that neither the owner nor the site has confirmed.
    pub views: Option<u64>,
}

impl Filter {
    /// Whether a post is one of these.
    pub fn takes(&self, line: &Line) -> Result<bool, Error> {
        if line.total == 0 || !line.id.starts_with(&self.prefix) {
            return Ok(false);
        }
        let Some(most) = self.views else {
            return Ok(true);
        };
        let is_anybodys = |standing| matches!(standing, Standing::Open | Standing::Waiting { .. });
        Ok(line.total <= most && is_anybodys(line.standing()?))
    }
}
