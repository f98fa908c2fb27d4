/**
 * The CPU backend: Vector API kernels, the worker pool, and the scalar twins that are their oracle and their stand-in
 * where the incubator module is absent. Closed: nobody outside uses this package but the backend's own provider.
 */
package io.quern.tensor.cpu;
