//! The plan of the house: a room imports only the rooms before it, and only the last one knows of
//! Workers.

#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, each of which may import those before it, and itself.
const ROOMS: [&str; 8] = [
    "base",
    "model",
    "batch",
    "published",
    "verify",
    "books",
    "http",
    "edge",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The files of a room with their code, without comments.
fn code(room: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a file");
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        (path, code)
    };
    files(&folder).into_iter().map(read).collect()
}

#[test]
fn a_room_imports_only_those_before_it() {
    for (place, room) in ROOMS.iter().enumerate() {
        let files = code(room);
        assert!(!files.is_empty(), "{room} is empty");
        for (path, code) in files {
            for import in code.split("crate::").skip(1) {
                let end = import.find(|c: char| !c.is_alphanumeric() && c != '_');
                let from = &import[..end.unwrap_or(import.len())];
                let known = ROOMS.iter().position(|room| *room == from);
                let allowed = known.is_some_and(|known| known <= place);
                assert!(allowed, "{} imports {from}", path.display());
            }
        }
    }
}

#[test]
fn only_the_edge_knows_of_workers() {
    for room in &ROOMS[..ROOMS.len() - 1] {
        for (path, code) in code(room) {
            for name in ["worker::", "wasm_bindgen", "js_sys", "web_sys"] {
                assert!(!code.contains(name), "{} names {name}", path.display());
            }
        }
    }
}
