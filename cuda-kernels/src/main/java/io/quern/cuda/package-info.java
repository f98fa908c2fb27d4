/** The CUDA backend. Empty so far: {@code --device cuda} says that no backend provides it. */
package io.quern.cuda;
