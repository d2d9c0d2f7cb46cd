//! x
pub mod place;
pub mod table;
