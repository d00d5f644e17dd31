using System;
using System.Collections.Generic;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// A folder of adapter versions, and aliases such as <c>production</c> that stand for one or split employees among several. Any number of
/// threads and processes may use one at the same time; versions appear whole and never change.
/// </summary>
/// <example>
/// <code>
/// using AdapterRegistry registry = AdapterRegistry.Create("adapters");
/// PublishedVersion version = registry.Publish(trained.Adapter, new PublishOptions { Name = "hr_review" });
/// registry.Promote("production", version.Version);
/// using Adapter adapter = registry.Load(model, "production");
/// </code>
/// </example>
public sealed class AdapterRegistry : IDisposable
{
    private readonly RegistryHandle handle;

    private AdapterRegistry(RegistryHandle handle) => this.handle = handle;

    private RegistryHandle Handle => handle.IsClosed ? throw new ObjectDisposedException(nameof(AdapterRegistry)) : handle;

    /// <summary>Opens a registry that is there.</summary>
    /// <param name="path">Its folder, on a disk or a share.</param>
    /// <exception cref="TailoraException">There is none.</exception>
    public static unsafe AdapterRegistry Open(string path)
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        {
            int status = NativeMethods.tailora_registry_open(where, out RegistryHandle registry, out ErrorHandle error);
            Failure.Check(status, error);
            return new AdapterRegistry(registry);
        }
    }

    /// <summary>Makes a registry of a new or empty folder, or opens the one that is there.</summary>
    /// <param name="path">The folder, on a disk or a share.</param>
    /// <exception cref="TailoraException">The folder holds something else, or its file system has no locks.</exception>
    public static unsafe AdapterRegistry Create(string path)
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        {
            int status = NativeMethods.tailora_registry_create(where, out RegistryHandle registry, out ErrorHandle error);
            Failure.Check(status, error);
            return new AdapterRegistry(registry);
        }
    }

    /// <summary>
    /// Adds an adapter as a version. The same adapter under the same name again is the version that is there: a call that was killed can be
    /// repeated.
    /// </summary>
    /// <param name="adapter">The adapter; it stays the caller's.</param>
    /// <param name="options">The version's name and what to keep with it; <c>null</c> for the defaults.</param>
    public unsafe PublishedVersion Publish(Adapter adapter, PublishOptions? options = null)
    {
        Argument.NotNull(adapter, nameof(adapter));
        fixed (byte* how = Json.Write(options, OptionsJson.Default.PublishOptions))
        {
            int status = NativeMethods.tailora_registry_publish(Handle, adapter.Handle, how, out StringHandle json, out ErrorHandle error);
            return PublishedVersion.FromJson(Take(status, json, error));
        }
    }

    /// <summary>The version that an alias stands for, or the version of this name.</summary>
    /// <param name="aliasOrVersion">An alias, or a version's name.</param>
    /// <param name="id">
    /// The employee whose version is asked for; it must be given of an alias that is split. The same id has the same version while the shares
    /// stay, and keeps the first one when its share grows.
    /// </param>
    /// <exception cref="TailoraException">There is neither, or the alias is split and no id is given.</exception>
    public unsafe PublishedVersion Resolve(string aliasOrVersion, string? id = null)
    {
        Argument.NotNull(aliasOrVersion, nameof(aliasOrVersion));
        fixed (byte* name = Utf8Text.Terminated(aliasOrVersion, nameof(aliasOrVersion)))
        fixed (byte* whose = Utf8Text.Terminated(id, nameof(id)))
        {
            int status = NativeMethods.tailora_registry_resolve(Handle, name, whose, out StringHandle json, out ErrorHandle error);
            return PublishedVersion.FromJson(Take(status, json, error));
        }
    }

    /// <summary>Loads the adapter that <see cref="Resolve"/> finds.</summary>
    /// <param name="model">The base model that it belongs to.</param>
    /// <param name="aliasOrVersion">An alias, or a version's name.</param>
    /// <param name="id">The employee whose version is asked for.</param>
    /// <exception cref="AdapterMismatchException">The version belongs to another base model.</exception>
    /// <exception cref="TailoraException">There is none, or its files are not what was published.</exception>
    public unsafe Adapter Load(LanguageModel model, string aliasOrVersion, string? id = null)
    {
        Argument.NotNull(model, nameof(model));
        Argument.NotNull(aliasOrVersion, nameof(aliasOrVersion));
        fixed (byte* name = Utf8Text.Terminated(aliasOrVersion, nameof(aliasOrVersion)))
        fixed (byte* whose = Utf8Text.Terminated(id, nameof(id)))
        {
            int status = NativeMethods.tailora_registry_load(Handle, model.Handle, name, whose, out AdapterHandle adapter, out ErrorHandle error);
            Failure.Check(status, error);
            return new Adapter(adapter);
        }
    }

    /// <summary>Lets an alias stand for a version; makes the alias if there is none.</summary>
    /// <param name="alias">The alias, such as <c>production</c>.</param>
    /// <param name="version">The version's name.</param>
    public unsafe AliasChange Promote(string alias, string version)
    {
        Argument.NotNull(alias, nameof(alias));
        Argument.NotNull(version, nameof(version));
        fixed (byte* name = Utf8Text.Terminated(alias, nameof(alias)))
        fixed (byte* to = Utf8Text.Terminated(version, nameof(version)))
        {
            int status = NativeMethods.tailora_registry_promote(Handle, name, to, out StringHandle json, out ErrorHandle error);
            return AliasChange.FromJson(Take(status, json, error));
        }
    }

    /// <summary>Lets an alias split employees among versions, for an A/B test; <see cref="Resolve"/> says whose is which.</summary>
    /// <param name="alias">The alias.</param>
    /// <param name="shares">Up to 16 versions, whose shares add up to 1.</param>
    public unsafe AliasChange Promote(string alias, IEnumerable<VersionShare> shares)
    {
        Argument.NotNull(alias, nameof(alias));
        Argument.NotNull(shares, nameof(shares));
        VersionShare[] list = [.. shares];
        fixed (byte* name = Utf8Text.Terminated(alias, nameof(alias)))
        fixed (byte* to = Json.Write(list, ResultsJson.Default.VersionShareArray))
        {
            int status = NativeMethods.tailora_registry_promote_split(Handle, name, to, out StringHandle json, out ErrorHandle error);
            return AliasChange.FromJson(Take(status, json, error));
        }
    }

    /// <summary>Gives an alias back what it stood for before its last promotion; once more, what it stood for before that.</summary>
    /// <param name="alias">The alias.</param>
    /// <exception cref="TailoraException">There is no such alias, or nothing before.</exception>
    public unsafe AliasChange Rollback(string alias)
    {
        Argument.NotNull(alias, nameof(alias));
        fixed (byte* name = Utf8Text.Terminated(alias, nameof(alias)))
        {
            int status = NativeMethods.tailora_registry_rollback(Handle, name, out StringHandle json, out ErrorHandle error);
            return AliasChange.FromJson(Take(status, json, error));
        }
    }

    /// <summary>The last 500 changes of an alias, the oldest first.</summary>
    /// <param name="alias">The alias.</param>
    public unsafe IReadOnlyList<AliasChange> History(string alias)
    {
        Argument.NotNull(alias, nameof(alias));
        fixed (byte* name = Utf8Text.Terminated(alias, nameof(alias)))
        {
            int status = NativeMethods.tailora_registry_history(Handle, name, out StringHandle json, out ErrorHandle error);
            return Json.Read(Take(status, json, error), ResultsJson.Default.AliasChangeArray);
        }
    }

    /// <summary>All versions in the order in which they were published, and all aliases with what they stand for.</summary>
    public RegistryContent List()
    {
        int status = NativeMethods.tailora_registry_list(Handle, out StringHandle json, out ErrorHandle error);
        return RegistryContent.FromJson(Take(status, json, error));
    }

    /// <summary>Whether a person's rows are in a version.</summary>
    /// <param name="version">The version's name.</param>
    /// <param name="id">As in the <see cref="DatasetOptions.IdColumn"/> of the datasets that it was trained on.</param>
    /// <exception cref="TailoraException">There is no such version, or nobody knows: it was trained without an id column.</exception>
    public unsafe bool Contains(string version, string id)
    {
        Argument.NotNull(version, nameof(version));
        Argument.NotNull(id, nameof(id));
        fixed (byte* which = Utf8Text.Terminated(version, nameof(version)))
        fixed (byte* whose = Utf8Text.Terminated(id, nameof(id)))
        {
            int status = NativeMethods.tailora_registry_contains(Handle, which, whose, out int contained, out ErrorHandle error);
            Failure.Check(status, error);
            return contained != 0;
        }
    }

    /// <summary>Adds a line to the audit: a report was written. It is on the disk when this returns.</summary>
    /// <param name="id">Whom the report is about; kept as a salted hash.</param>
    /// <param name="version">The name of the version that wrote it.</param>
    /// <param name="seed">The seed of its generation.</param>
    /// <param name="alias">The alias by which the version was found.</param>
    public unsafe void Audit(string id, string version, ulong seed, string? alias = null)
    {
        Argument.NotNull(id, nameof(id));
        Argument.NotNull(version, nameof(version));
        fixed (byte* whose = Utf8Text.Terminated(id, nameof(id)))
        fixed (byte* which = Utf8Text.Terminated(version, nameof(version)))
        fixed (byte* by = Utf8Text.Terminated(alias, nameof(alias)))
        {
            int status = NativeMethods.tailora_registry_audit(Handle, whose, which, by, seed, out ErrorHandle error);
            Failure.Check(status, error);
        }
    }

    /// <summary>The audit's lines about a person, the oldest first.</summary>
    /// <param name="id">The person, as given to <see cref="Audit"/>.</param>
    public unsafe IReadOnlyList<AuditLine> Audited(string id)
    {
        Argument.NotNull(id, nameof(id));
        fixed (byte* whose = Utf8Text.Terminated(id, nameof(id)))
        {
            int status = NativeMethods.tailora_registry_audited(Handle, whose, out StringHandle json, out ErrorHandle error);
            return Json.Read(Take(status, json, error), ResultsJson.Default.AuditLineArray);
        }
    }

    /// <summary>Frees the handle; the folder stays.</summary>
    public void Dispose() => handle.Dispose();

    private static string Take(int status, StringHandle text, ErrorHandle error)
    {
        string json = text.Take();
        Failure.Check(status, error);
        return json;
    }
}
