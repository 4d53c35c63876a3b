//! What is stored and published stays readable: these bytes are in ledgers and namespaces already.

#![allow(clippy::expect_used)]

use tally::base::id::PostId;
use tally::base::time::{DAY, Time};
use tally::model::page::{self, Entry, Page, Post};

#[test]
fn a_page_is_written_as_before() {
    let mut post = Post::default();
    post.record.view(Time::from_seconds(20_000 * DAY));
    post.record.set(300);
    post.entry = Entry::Count(2);
    let id = PostId::parse("142".to_owned()).expect("an id");
    let page = Page::from([(id, post)]);
    let bytes = [
        3, b'1', b'4', b'2', // the id
        0xac, 0x02, // 300 views
        1, 2,  // its entry in Workers KV is 2
        10, // bytes of times
        1, 0x80, 0xa6, 0x1d, 1, // one hour, the 480,000th, with one view
        1, 0xa0, 0x9c, 0x01, 1, // one day, the 20,000th, with one view
    ];
    assert_eq!(page::encode(&page), Ok(bytes.to_vec()));
    assert_eq!(page::decode(&bytes), Ok(page));
}

#[test]
fn a_post_is_in_the_page_it_was_in() {
    let numbers = ["142", "hello-world", "é"].map(|id| page::number(id, 1 << 16));
    assert_eq!(numbers, [810, 711, 947]);
    assert_eq!(page::number("142", 1), 0);
}
