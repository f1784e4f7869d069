//! (room to be written)
fn main() {}
