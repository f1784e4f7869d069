//! (room to be written)
