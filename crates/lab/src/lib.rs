//! The demo, the lessons, the DNS answerer.
