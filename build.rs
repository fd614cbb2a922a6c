//! Lists the filter definitions and the inventory of counter-examples, so that the binary carries
//! them.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    embed(
        &["filters/lexicons", "filters/rules", "filters/frames"],
        &["toml"],
        "embedded_filters.rs",
    );
    embed(&["filters/inventory"], &["txt", "toml"], "embedded_inventory.rs");
}

fn embed(folders: &[&str], endings: &[&str], name: &str) {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for folder in folders {
        println!("cargo::rerun-if-changed={folder}");
        walk(&root.join(folder), endings, &mut files);
    }
    files.sort();
    let mut code = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&root).expect("below the root").display().to_string();
        code.push_str(&format!(
            "    ({:?}, include_str!({:?})),\n",
            name,
            file.display().to_string()
        ));
    }
    code.push_str("]\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join(name), code).expect("OUT_DIR is writable");
}

fn walk(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            walk(&path, endings, files);
        } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| endings.contains(&e)) {
            files.push(path);
        }
    }
}
