/**
 * The operations, as a closed list of records by family. A record states the shape of its results, its gradient, what it
 * saves for the gradient, and its cost; the backends switch over the list exhaustively, so an operation without a kernel
 * or without a gradient does not compile.
 */
package io.quern.tensor.op;
