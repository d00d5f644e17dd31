using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Registries of adapters.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_open(byte* path, out RegistryHandle registry, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_create(byte* path, out RegistryHandle registry, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_publish(
        RegistryHandle registry,
        AdapterHandle adapter,
        byte* options_json,
        out StringHandle publication_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_resolve(
        RegistryHandle registry,
        byte* alias_or_version,
        byte* id,
        out StringHandle publication_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_load(
        RegistryHandle registry,
        ModelHandle model,
        byte* alias_or_version,
        byte* id,
        out AdapterHandle adapter,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_promote(
        RegistryHandle registry,
        byte* alias,
        byte* version,
        out StringHandle change_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_promote_split(
        RegistryHandle registry,
        byte* alias,
        byte* shares_json,
        out StringHandle change_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_rollback(RegistryHandle registry, byte* alias, out StringHandle change_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_history(RegistryHandle registry, byte* alias, out StringHandle changes_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_list(RegistryHandle registry, out StringHandle list_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_contains(RegistryHandle registry, byte* version, byte* id, out int contained, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_audit(
        RegistryHandle registry,
        byte* id,
        byte* version,
        byte* alias,
        ulong seed,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_audited(RegistryHandle registry, byte* id, out StringHandle lines_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_registry_free(nint registry);
}
