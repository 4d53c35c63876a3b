//! The order of a list: most first, ties by post id.

/// The `limit` greatest of what comes, the greatest first. What is 0 is left out.
pub fn top<Id: Ord>(posts: impl Iterator<Item = (Id, u64)>, limit: usize) -> Vec<(Id, u64)> {
    let mut best: Vec<(Id, u64)> = Vec::new();
    for (id, views) in posts.filter(|post| post.1 > 0) {
        // Few of many get past the last place, so that insertion is the least work.
        let before = |other: &(Id, u64)| other.1 > views || (other.1 == views && other.0 < id);
        if best.len() == limit {
            if best.last().is_none_or(before) {
                continue;
            }
            best.pop();
        }
        let place = best.partition_point(before);
        best.insert(place, (id, views));
    }
    best
}
