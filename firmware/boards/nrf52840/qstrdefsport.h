// SPDX-License-Identifier: Apache-2.0
// *FORMAT-OFF*
Q(/)
Q(/lib)
Q(/rom)
Q(/rom/lib)
