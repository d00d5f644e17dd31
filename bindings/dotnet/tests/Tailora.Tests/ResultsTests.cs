using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>The types of results against what the library writes: no key without a property, and no property without a key.</summary>
[Collection(NativeCollection.Name)]
public class ResultsTests(Trained trained)
{
    [Fact]
    public async Task Every_key_has_a_property_and_the_other_way_round()
    {
        using var folder = new TemporaryFolder();
        string At(string name) => Path.Combine(folder.FullName, name);
        string csv = folder.Write("rows.csv", "id,input,output\n1,岗位:P7,好。 \n1,岗位:P7,好。 \n2,岗位:P8,TODO\n");
        using (Dataset dataset = Dataset.OpenCsv(csv, new DatasetOptions { RepairedCopy = At("copy.csv"), GroupBy = "id" }))
        {
            Same(dataset.Info.RawJson, typeof(DatasetInfo));
        }

        var options = new BatchOptions { Report = new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 2 } } };
        Same((await trained.Model.BatchAsync(csv, At("job"), options: options)).RawJson, typeof(BatchSummary));
        Same((await trained.Model.BatchAsync(csv, At("shard"), options: options with { Shard = new Shard() })).RawJson, typeof(BatchSummary));
        Same(ReportFile.Merge([At("shard")], At("merged.jsonl")).RawJson, typeof(MergeSummary));

        using AdapterRegistry registry = AdapterRegistry.Create(At("registry"));
        PublishedVersion version = registry.Publish(trained.Adapter);
        Same(version.RawJson, typeof(PublishedVersion), "schema");
        Same(registry.Promote("production", version.Version).RawJson, typeof(AliasChange));
        Same(registry.List().RawJson, typeof(RegistryContent), "schema");

        using Session session = trained.Model.CreateSession();
        Report report = await session.GenerateReportAsync(Trained.Line, new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 40 } });
        report.SaveDocx(At("x.docx"), "E1", Trained.Line);
        Same(ReviewedDocument.Read(At("x.docx")).RawJson, typeof(ReviewedDocument));
    }

    private static void Same(string json, Type type, params string[] notShown)
    {
        var missing = new SortedSet<string>();
        Walk(JsonDocument.Parse(json).RootElement, ResultsJson.Default.GetTypeInfo(type)!, type.Name, notShown, missing);
        Assert.Empty(missing);
    }

    private static void Walk(JsonElement value, JsonTypeInfo type, string place, string[] notShown, SortedSet<string> missing)
    {
        if (value.ValueKind == JsonValueKind.Array && type.Kind == JsonTypeInfoKind.Enumerable)
        {
            Type item = type.Type.IsArray ? type.Type.GetElementType()! : type.Type.GetGenericArguments()[0];
            foreach (JsonElement element in value.EnumerateArray())
            {
                Walk(element, ResultsJson.Default.GetTypeInfo(item)!, place + "[]", notShown, missing);
            }
        }
        else if (value.ValueKind == JsonValueKind.Object && type.Kind == JsonTypeInfoKind.Object)
        {
            Dictionary<string, JsonPropertyInfo> properties = type.Properties.Where(property => property.Name != "RawJson" && property.Name != "raw_json").ToDictionary(property => property.Name);
            foreach (JsonProperty key in value.EnumerateObject().Where(key => !notShown.Contains(key.Name)))
            {
                if (properties.Remove(key.Name, out JsonPropertyInfo? property))
                {
                    Walk(key.Value, ResultsJson.Default.GetTypeInfo(property.PropertyType)!, $"{place}.{key.Name}", notShown, missing);
                }
                else
                {
                    missing.Add($"no property for {place}.{key.Name}");
                }
            }

            // What may be null may be left out.
            IEnumerable<JsonPropertyInfo> never = properties.Values.Where(property => property.PropertyType.IsValueType && Nullable.GetUnderlyingType(property.PropertyType) is null);
            missing.UnionWith(never.Select(property => $"no key for {place}.{property.Name}"));
        }
    }
}
