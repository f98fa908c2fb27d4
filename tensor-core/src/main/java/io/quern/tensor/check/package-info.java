/**
 * How operations are checked: the closed list of their cases, differences under a stated tolerance, and gradients by
 * finite differences. Tests, the verification of devices and benchmarks read the same list.
 */
package io.quern.tensor.check;
