// Intel AMX: the processor's unit that multiplies tiles of bf16.
#pragma once

namespace regatta {

/// Whether the processor has AMX tiles, its bf16 products and bf16 vectors, and the operating
/// system lets this process use them. Asked once.
bool amx_available();

/// Whether dense products use AMX: available, and not turned off. Their bits depend on it, so it
/// is set once, before the first product; off only where `allow_amx(false)` was called.
bool amx_in_use();
void allow_amx(bool allowed);

}  // namespace regatta
