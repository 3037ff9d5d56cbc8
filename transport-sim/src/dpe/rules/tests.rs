//! Every rule fires when it is broken.
