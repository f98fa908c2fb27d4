/** The {@code quern} command: a class per sub-command. The answer goes to stdout, everything else to stderr. */
package io.quern.cli;
