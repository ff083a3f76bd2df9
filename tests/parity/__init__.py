"""One script, run on jactors and on Ray: what code written for Ray may rely on."""
