/** What a device must fulfil: a backend that allocates buffers and runs operations. */
package io.quern.tensor.spi;
