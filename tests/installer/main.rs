//! The installer as it is shipped, end to end: real servers, a real boot disk, and nothing booted.

mod attacks;
mod full;
mod stages;
mod table;
