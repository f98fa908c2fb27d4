/** The architectures, a page each: configuration, blocks and the names of the weights. */
package io.quern.transformer.model;
