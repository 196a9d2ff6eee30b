//! A module imports only from those above it in the list where both, or the folders that hold them, are declared.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a `lib.rs` or `mod.rs` declares.
#[derive(Default)]
struct Declarations {
    modules: Vec<String>,
    /// The module that each name given on by `pub use` is from.
    names: HashMap<String, String>,
}

/// A path as its segments, behind `crate`.
type Segments = Vec<String>;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    folders
        .iter()
        .flat_map(|folder| self::files(folder))
        .chain(files)
        .collect()
}

/// The module of a file: its path without what is only a file's name.
fn module(root: &Path, file: &Path) -> Segments {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let segments = path.iter().map(|segment| segment.to_str().unwrap().to_owned());
    segments
        .filter(|segment| segment != "mod" && segment != "lib")
        .collect()
}

/// The text of a file in front of its tests, without comments and line ends.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]" && !line.starts_with("mod tests"));
    lines
        .map(|line| line.split("//").next().unwrap_or_default().trim().to_owned() + " ")
        .collect()
}

/// The paths in `use` declarations, braces taken apart.
fn imports(code: &str) -> Vec<Segments> {
    let declarations = code.split("use ").skip(1).filter_map(|rest| rest.split(';').next());
    declarations.flat_map(expand).collect()
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<Segments> {
    let tree = tree.trim().split(" as ").next().unwrap_or_default();
    let Some((head, rest)) = tree.split_once('{') else {
        return vec![tree.split("::").map(|segment| segment.trim().to_owned()).collect()];
    };
    let head: Segments = head
        .split("::")
        .map(str::trim)
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect();
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let mut depth = 0;
    let parts = inner.split(|letter: char| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty() && *part != "self");
    let whole = inner.split(',').any(|part| part.trim() == "self").then(|| head.clone());
    parts
        .flat_map(expand)
        .map(|tail| [head.clone(), tail].concat())
        .chain(whole)
        .collect()
}

/// What all files of a crate declare, by module.
fn declarations(root: &Path) -> HashMap<Segments, Declarations> {
    let mut all: HashMap<Segments, Declarations> = HashMap::new();
    for file in files(root) {
        let declared = all.entry(module(root, &file)).or_default();
        let code = code(&file);
        let words: Vec<&str> = code.split_whitespace().collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "mod") {
            declared.modules.extend(pair[1].strip_suffix(';').map(str::to_owned));
        }
        for import in imports(&code).into_iter().filter(|import| import.len() > 1) {
            declared
                .names
                .insert(import[import.len() - 1].clone(), import[0].clone());
        }
    }
    all
}

/// The module that a path from the root of the crate leads to.
fn resolve(declarations: &HashMap<Segments, Declarations>, path: &[String]) -> Segments {
    let mut module = Segments::new();
    for segment in path {
        let declared = &declarations[&module];
        let through = declared
            .names
            .get(segment)
            .filter(|through| declared.modules.contains(through));
        match declared.modules.contains(segment).then_some(segment).or(through) {
            Some(inner) => module.push(inner.clone()),
            None => break,
        }
    }
    module
}

#[test]
fn imports_point_up() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let declarations = declarations(&root);
    assert!(declarations.len() > 50, "{} modules", declarations.len());
    let (mut n_imports, mut wrong) = (0, Vec::new());
    for file in files(&root) {
        let own = module(&root, &file);
        if own.last().is_some_and(|name| name == "tests") {
            continue;
        }
        for import in imports(&code(&file)) {
            let n_up = import.iter().take_while(|segment| *segment == "super").count();
            let path = match import[0].as_str() {
                "crate" => import[1..].to_vec(),
                "super" => [&own[..own.len() - n_up], &import[n_up..]].concat(),
                _ => continue,
            };
            let target = resolve(&declarations, &path);
            n_imports += 1;
            let common = own.iter().zip(&target).take_while(|(a, b)| a == b).count();
            let modules = &declarations[&own[..common]].modules;
            let place = |path: &Segments| {
                path.get(common)
                    .map(|name| modules.iter().position(|other| other == name))
            };
            // A folder may use what is within it, and a module within it nothing of the folder's own.
            if let (Some(from), Some(to)) = (place(&own), place(&target))
                && to >= from
            {
                wrong.push(format!("{} imports from {}", own.join("::"), target.join("::")));
            }
        }
    }
    assert!(n_imports > 200, "{n_imports} imports");
    wrong.sort();
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "against the order of declarations:\n{}",
        wrong.join("\n")
    );
}
