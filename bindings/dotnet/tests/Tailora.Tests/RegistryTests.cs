using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Versions of adapters, and the names that stand for them.</summary>
[Collection(NativeCollection.Name)]
public class RegistryTests(Trained trained)
{
    [Fact]
    public async Task A_version_is_published_promoted_loaded_and_rolled_back()
    {
        using var folder = new TemporaryFolder();
        long before = TailoraNative.LiveHandles;
        using (AdapterRegistry registry = AdapterRegistry.Create(folder.FullName))
        {
            var extra = new Dictionary<string, JsonElement> { ["批准"] = JsonSerializer.SerializeToElement("王") };
            PublishedVersion first = registry.Publish(trained.Adapter, new PublishOptions { Name = "hr", Extra = extra });
            Assert.StartsWith("hr-", first.Version, StringComparison.Ordinal);
            Assert.Equal("王", first.Extra["批准"].GetString());
            Assert.Equal(4, first.R);
            Assert.Equal("tailora-tiny", first.Base);
            Assert.Matches("^[0-9a-f]{64}$", first.AdapterSha256);
            Assert.True(first.Published > DateTimeOffset.UtcNow.AddHours(-1) && first.Rows > 0 && first.RawJson.Contains(first.Version, StringComparison.Ordinal));
            PublishedVersion second = registry.Publish(trained.Adapter, new PublishOptions { Name = "hr2" });
            Assert.Equal(second.Version, registry.Publish(trained.Adapter, new PublishOptions { Name = "hr2" }).Version);

            Assert.Equal(AliasAction.Promote, registry.Promote("production", first.Version).Action);
            Assert.Equal(first.Version, registry.Resolve("production").Version);
            using (Adapter adapter = registry.Load(trained.Model, "production"))
            using (Session session = trained.Model.CreateSession())
            {
                session.Attach(adapter);
                Assert.NotEmpty((await session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 4 })).Text);
            }

            AliasChange split = registry.Promote("production", [new VersionShare(first.Version, 0.25), new VersionShare(second.Version, 0.75)]);
            Assert.Equal(1, split.Before);
            Assert.Equal(0.75, split.Shares[1].Share);
            Assert.Equal(TailoraErrorCode.InvalidArgument, Assert.Throws<TailoraException>(() => registry.Resolve("production")).Code);
            string[] seen = [.. Enumerable.Range(0, 40).Select(id => registry.Resolve("production", $"E{id}").Version)];
            Assert.Equal(seen, Enumerable.Range(0, 40).Select(id => registry.Resolve("production", $"E{id}").Version));
            Assert.Equal(2, seen.Distinct().Count());
            registry.Load(trained.Model, "production", "E1").Dispose();

            AliasChange back = registry.Rollback("production");
            Assert.Equal((AliasAction.Rollback, 3L, (long?)null), (back.Action, back.Number, back.Before));
            Assert.Throws<TailoraException>(() => registry.Rollback("production"));
            Assert.Equal([1L, 2L, 3L], registry.History("production").Select(change => change.Number));

            registry.Audit("E1", first.Version, ulong.MaxValue, "production");
            registry.Audit("E1", second.Version, 7);
            IReadOnlyList<AuditLine> lines = registry.Audited("E1");
            Assert.Equal([("production", ulong.MaxValue, first.Version), (null, 7ul, second.Version)], lines.Select(line => (line.Alias, line.Seed, line.Version)));
            Assert.Equal(lines[0].IdHash, lines[1].IdHash);
            Assert.Empty(registry.Audited("E2"));
            Assert.Contains("id_column", Assert.Throws<TailoraException>(() => registry.Contains(first.Version, "E1")).Message, StringComparison.Ordinal);
        }

        using (AdapterRegistry again = AdapterRegistry.Open(folder.FullName))
        {
            RegistryContent content = again.List();
            Assert.Equal(2, content.Versions.Count);
            RegistryAlias alias = Assert.Single(content.Aliases);
            Assert.Equal(("production", AliasAction.Rollback, 1.0), (alias.Alias, alias.Action, Assert.Single(alias.Shares).Share));
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task Who_is_in_a_version_is_known_where_there_were_ids()
    {
        using var folder = new TemporaryFolder();
        string csv = folder.Write("rows.csv", "id,input,output\nE1,岗位:P7,好。\nE2,岗位:P8,更好。\n");
        using Dataset dataset = Dataset.OpenCsv(csv, new DatasetOptions { IdColumn = "id" });
        TrainingResult result = await trained.Model.TrainAsync(dataset, new TrainingOptions { MaxSteps = 1, R = 1, ValidationShare = 0, ValidationFolds = 0 });
        using Adapter adapter = result.Adapter;
        using AdapterRegistry registry = AdapterRegistry.Create(Path.Combine(folder.FullName, "registry"));
        string version = registry.Publish(adapter).Version;
        Assert.True(registry.Contains(version, "E1"));
        Assert.False(registry.Contains(version, "E3"));
    }

    [Fact]
    public void What_is_no_registry_and_what_is_disposed_says_so()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(TailoraErrorCode.Io, Assert.Throws<TailoraException>(() => AdapterRegistry.Open(folder.FullName)).Code);
        folder.Write("notes.txt", "mine");
        Assert.Equal(TailoraErrorCode.Io, Assert.Throws<TailoraException>(() => AdapterRegistry.Create(folder.FullName)).Code);
        AdapterRegistry registry = AdapterRegistry.Create(Path.Combine(folder.FullName, "registry"));
        Assert.Equal(TailoraErrorCode.InvalidOptions, Assert.Throws<TailoraException>(() => registry.Promote("../x", "y")).Code);
        Assert.Equal(TailoraErrorCode.InvalidArgument, Assert.Throws<TailoraException>(() => registry.Promote("x", [])).Code);
        registry.Dispose();
        registry.Dispose();
        Assert.Equal(nameof(AdapterRegistry), Assert.Throws<ObjectDisposedException>(registry.List).ObjectName);
    }
}
