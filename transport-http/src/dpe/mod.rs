//! OMA Device Profile Evolution over HTTP.
