//! Scripts and shapes, the target process, the attack on any server.
