//! Publishing by the program that ships, with the real git, gh and minisign, to a stand-in for GitHub: what is published then,
//! and every sentence that a publisher can meet.

mod begun;
mod built;
mod place;
mod proof;
mod published;
mod refused;
