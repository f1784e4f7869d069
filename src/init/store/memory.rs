//! A file system in memory, for the proofs: thousands of trees a second, and every step the same as on a disk.

use super::files::{Checkpoint, Entry, Files, Kind, Look, Seal, parent};
use menagerie::Record;
use menagerie::space::Free;
use rustix::io::{Errno, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A link and its target.
    Link(String),
    /// A file: its bytes, its mode, what was written down with it, whether it is sealed.
    File(Vec<u8>, u32, Option<Record>, bool),
}

/// Everything, by path.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The root itself is not in it.
    pub nodes: RefCell<BTreeMap<String, Node>>,
    /// How many blocks it has. Files take theirs and one more for each, directories one, links none.
    pub blocks: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { nodes: RefCell::default(), blocks: 1 << 30 }
    }
}

impl Memory {
    /// Puts something there, and the directories above it.
    pub fn put(&self, path: &str, node: Node) {
        for (at, _) in path.match_indices('/') {
            self.nodes.borrow_mut().entry(path[..at].into()).or_insert(Node::Directory);
        }
        self.nodes.borrow_mut().insert(path.into(), node);
    }

    /// How many blocks things take.
    pub fn used(&self) -> u64 {
        self.nodes.borrow().values().map(blocks).sum()
    }

    fn node(&self, path: &str) -> Result<Node> {
        self.nodes.borrow().get(path).cloned().ok_or(Errno::NOENT)
    }

    fn add(&self, path: &str, node: Node) -> Result<()> {
        let above = parent(path);
        match self.nodes.borrow().get(above) {
            Some(Node::Directory) => {}
            None if above.is_empty() => {}
            None => return Err(Errno::NOENT),
            Some(_) => return Err(Errno::NOTDIR),
        }
        if self.nodes.borrow().contains_key(path) {
            return Err(Errno::EXIST);
        }
        if self.used() + blocks(&node) > self.blocks {
            return Err(Errno::NOSPC);
        }
        self.nodes.borrow_mut().insert(path.into(), node);
        Ok(())
    }

    /// Takes everything at and below a path away, with the rest of each path.
    fn take(&self, path: &str) -> Vec<(String, Node)> {
        let mut nodes = self.nodes.borrow_mut();
        let inside = |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let names: Vec<String> = nodes.keys().filter(|name| inside(name)).cloned().collect();
        names.into_iter().map(|name| (name[path.len()..].to_string(), nodes.remove(&name).unwrap())).collect()
    }

    fn give(&self, path: &str, things: Vec<(String, Node)>) {
        self.nodes.borrow_mut().extend(things.into_iter().map(|(rest, node)| (format!("{path}{rest}"), node)));
    }
}

impl Files for Memory {
    type Writer = String;

    fn show(&self, path: &str) -> String {
        format!("/disk/{path}")
    }

    fn list(&self, directory: &str, most: usize) -> Result<Vec<Entry>> {
        if self.node(directory)? != Node::Directory {
            return Err(Errno::NOTDIR);
        }
        let nodes = self.nodes.borrow();
        let below = nodes.iter().filter(|(path, _)| parent(path) == directory && !path.is_empty());
        let entry = |(path, node): (&String, &Node)| {
            let kind = match node {
                Node::Directory => Kind::Directory,
                Node::Link(_) => Kind::Link,
                Node::File(..) => Kind::File,
            };
            Entry { name: path.rsplit('/').next().unwrap().into(), kind }
        };
        Ok(below.map(entry).take(most).collect())
    }

    fn read_link(&self, path: &str) -> Result<String> {
        match self.node(path)? {
            Node::Link(target) => Ok(target),
            Node::Directory | Node::File(..) => Err(Errno::INVAL),
        }
    }

    fn look(&self, path: &str) -> Result<Look> {
        let node = self.node(path)?;
        let takes = blocks(&node) * 4096;
        Ok(match node {
            Node::Directory => Look { kind: Kind::Directory, size: 0, takes, mode: 0o755 },
            Node::Link(_) => Look { kind: Kind::Link, size: 0, takes, mode: 0o777 },
            Node::File(bytes, mode, ..) => Look { kind: Kind::File, size: bytes.len() as u64, takes, mode },
        })
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>> {
        match self.node(path)? {
            Node::File(bytes, ..) => Ok(Box::new(std::io::Cursor::new(bytes))),
            Node::Directory | Node::Link(_) => Err(Errno::INVAL),
        }
    }

    fn record(&self, path: &str) -> Result<Option<Record>> {
        match self.node(path)? {
            Node::File(_, _, record, _) => Ok(record),
            Node::Directory | Node::Link(_) => Err(Errno::INVAL),
        }
    }

    fn measure(&self, _: &str) -> Result<Option<[u8; 32]>> {
        Ok(None)
    }

    fn free(&self) -> Result<Free> {
        Ok(Free { bytes: self.blocks.saturating_sub(self.used()) * 4096, reserve: 0, inodes: 1 << 20 })
    }

    fn make_directory(&self, path: &str) -> Result<()> {
        self.add(path, Node::Directory)
    }

    fn link(&self, target: &str, path: &str) -> Result<()> {
        self.add(path, Node::Link(target.into()))
    }

    fn create(&self, path: &str, size: u64) -> Result<String> {
        if self.used() + size.div_ceil(4096) + 1 > self.blocks {
            return Err(Errno::NOSPC);
        }
        self.add(path, Node::File(Vec::new(), 0o600, None, false))?;
        Ok(path.into())
    }

    fn write(&self, file: &mut String, new: &[u8]) -> Result<()> {
        match self.nodes.borrow_mut().get_mut(file) {
            Some(Node::File(bytes, ..)) => bytes.extend_from_slice(new),
            _ => return Err(Errno::BADF),
        }
        Ok(())
    }

    fn write_record(&self, file: &String, new: &Record) -> Result<()> {
        match self.nodes.borrow_mut().get_mut(file) {
            Some(Node::File(_, _, record, _)) => *record = Some(*new),
            _ => return Err(Errno::BADF),
        }
        Ok(())
    }

    fn finish(&self, _: String) -> Result<()> {
        Ok(())
    }

    fn set_mode(&self, path: &str, new: u32) -> Result<()> {
        match self.nodes.borrow_mut().get_mut(path) {
            Some(Node::File(_, mode, ..)) => *mode = new,
            _ => return Err(Errno::NOENT),
        }
        Ok(())
    }

    fn overwrite(&self, path: &str, new: &[u8]) -> Result<()> {
        match self.nodes.borrow_mut().get_mut(path) {
            Some(Node::File(bytes, ..)) if bytes.len() == new.len() => bytes.copy_from_slice(new),
            Some(_) => return Err(Errno::INVAL),
            None => return Err(Errno::NOENT),
        }
        Ok(())
    }

    fn seal(&self, path: &str) -> Result<Seal> {
        match self.nodes.borrow_mut().get_mut(path) {
            Some(Node::File(.., sealed)) => *sealed = true,
            _ => return Err(Errno::NOENT),
        }
        Ok(Seal::Sealed)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.node(from)?;
        if self.node(to).is_ok() {
            return Err(Errno::EXIST);
        }
        self.give(to, self.take(from));
        Ok(())
    }

    fn exchange(&self, one: &str, other: &str) -> Result<()> {
        self.node(one)?;
        self.node(other)?;
        let (first, second) = (self.take(one), self.take(other));
        self.give(one, second);
        self.give(other, first);
        Ok(())
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        match self.node(path)? {
            Node::Directory => return Err(Errno::ISDIR),
            Node::Link(_) | Node::File(..) => self.nodes.borrow_mut().remove(path),
        };
        Ok(())
    }

    fn remove_unnameable(&self, _: &str) -> Result<()> {
        Ok(()) // every path here is UTF-8
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        if !self.list(path, 1)?.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.nodes.borrow_mut().remove(path);
        Ok(())
    }

    fn sync_directory(&self, path: &str) -> Result<()> {
        if path.is_empty() { Ok(()) } else { self.list(path, 1).map(drop) }
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint::Home)
    }
}

fn blocks(node: &Node) -> u64 {
    match node {
        Node::Directory => 1,
        Node::Link(_) => 0,
        Node::File(bytes, ..) => (bytes.len() as u64).div_ceil(4096) + 1,
    }
}
