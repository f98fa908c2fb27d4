/** Layers and losses over {@link io.quern.tensor}: modules with named parameters. */
package io.quern.nn;
