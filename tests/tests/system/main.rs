//! System tests: a real Postfix, clients, the agent and the kernel. They need root; `cargo xtask test` prepares and runs them.

mod testbed;
