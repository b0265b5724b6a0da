//! The page of a class, as browsers and attackers see it.
#![cfg(test)]

mod room;

mod guard;
