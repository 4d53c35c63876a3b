//! Whether publishing works, for a monitor.
//!
//! While it fails, a row of four bytes says since when, because a ledger with nothing else to do loses its memory.
//! The row is written when publishing begins to fail, and removed when it works again.

use crate::base::error::Error;
use crate::base::limits::HOUR_SECONDS;
use crate::base::time::Time;
use crate::books::rows::{self, Rows};

const ROW: &str = "failing";

/// Notes whether a publication has failed.
pub fn note(rows: &impl Rows, has_failed: bool, now: Time) -> Result<(), Error> {
    match (has_failed, failing(rows)?) {
        (true, None) => rows.put(&rows::key(ROW), &now.seconds().to_le_bytes()),
        (false, Some(_)) => rows.delete(&rows::key(ROW)),
        _ => Ok(()),
    }
}

/// Since when publishing has failed, if it does.
pub fn failing(rows: &impl Rows) -> Result<Option<Time>, Error> {
    let row = rows.get(&rows::key(ROW))?;
    let seconds = row.map(|row| row.try_into().map(u32::from_le_bytes));
    let seconds = seconds.transpose().map_err(|_| Error::Unreadable)?;
    Ok(seconds.map(Time::from_seconds))
}

/// Whether publishing has failed for so long that somebody should look.
pub fn is_ill(failing: Option<Time>, now: Time) -> bool {
    failing.is_some_and(|since| since.plus(HOUR_SECONDS) <= now)
}
