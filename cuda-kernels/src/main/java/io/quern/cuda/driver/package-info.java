/**
 * The CUDA driver through JCuda, which nothing else imports: finding the libraries, devices, memory, launches. Closed to all
 * but {@code io.quern.cuda}.
 */
package io.quern.cuda.driver;
