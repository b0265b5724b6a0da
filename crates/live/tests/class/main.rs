//! The page of a class, as browsers and attackers see it.
#![cfg(test)]

mod room;

mod commands;
mod crowd;
mod guard;
mod stream;
mod votes;
