//! Limits what strangers may add: the number of new posts in an hour, in all and from one network.
//!
//! Hours are clock hours in UTC. Of several ledgers, each has its share of the limit.

use crate::base::error::Error;
use crate::base::settings::Settings;
use crate::base::time::{Hour, Time};
use crate::books::verification::Verified;
use serde::{Deserialize, Serialize};

/// Of a hundred new posts, one network may add so many: 30 of the default 500.
const PERCENT_OF_NETWORK: u64 = 6;
/// To each of several ledgers, one network may add at least so many, in case its posts all have the same owner.
const LEAST_OF_NETWORK: u64 = 5;
/// The most networks that are known; others count for the site only.
const MOST_NETWORKS: usize = 1000;

/// What is stored behind the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Guard {
    /// Pings of posts that the site does not have. In memory they are among `State::skipped`.
    pub(super) unknown: u64,
    /// How many posts were added in this hour.
    hour: Hour,
    added: u32,
    /// The place at which making room goes on, while it does.
    pub(super) clearing: Option<u64>,
    /// When all posts were last looked through in vain.
    pub(super) cleared: Time,
    /// What the site has said of posts.
    pub(super) verified: Verified,
}

/// The networks that have added posts in this hour, in memory: a hash of each, and how many.
#[derive(Debug, Default)]
pub(super) struct Networks {
    hour: Hour,
    added: Vec<(u32, u32)>,
}

impl Guard {
    /// Gives out one of the hour's new posts; [`Error::TooManyNewPosts`] if none is left.
    pub(super) fn add(
        &mut self,
        networks: &mut Networks,
        network: Option<u32>,
        settings: &Settings,
        now: Time,
    ) -> Result<(), Error> {
        if self.hour != now.hour() {
            (self.hour, self.added) = (now.hour(), 0);
        }
        let ledgers = u64::from(settings.ledgers.max(1));
        let all = u64::from(settings.new_posts).div_ceil(ledgers);
        if u64::from(self.added) >= all {
            return Err(Error::TooManyNewPosts);
        }
        let of_network = u64::from(settings.new_posts) * PERCENT_OF_NETWORK;
        let mut of_network = of_network.div_ceil(100 * ledgers);
        if ledgers > 1 {
            of_network = of_network.max(LEAST_OF_NETWORK);
        }
        networks.add(network, of_network, now)?;
        self.added += 1;
        Ok(())
    }
}

impl Networks {
    /// Notes that a network adds a post; [`Error::TooManyNewPosts`] if it has added `most` in this hour.
    pub(super) fn add(&mut self, network: Option<u32>, most: u64, now: Time) -> Result<(), Error> {
        if self.hour != now.hour() {
            self.hour = now.hour();
            self.added.clear();
        }
        let Some(network) = network else {
            return Ok(());
        };
        let is_full = self.added.len() >= MOST_NETWORKS;
        match self.added.iter_mut().find(|(known, _)| *known == network) {
            Some((_, added)) if u64::from(*added) >= most => return Err(Error::TooManyNewPosts),
            Some((_, added)) => *added += 1,
            None if is_full => {}
            None => self.added.push((network, 1)),
        }
        Ok(())
    }
}
