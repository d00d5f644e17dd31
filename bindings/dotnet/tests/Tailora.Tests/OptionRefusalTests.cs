using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Every option with every kind of value that is none: an error that has the option's name, from wherever it is found.</summary>
[Collection(NativeCollection.Name)]
public class OptionRefusalTests(Trained trained)
{
    public static TheoryData<string> Sets => new(TailoraOptions.Sets.Keys);

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task What_is_no_value_of_an_option_is_refused_by_its_name(string set)
    {
        using var folder = new TemporaryFolder();
        Type type = TailoraOptions.Sets[set];
        (string Name, object Options, object Value)[] cases = [.. Cases(type, Properties(set, type), "", options => options)];
        foreach ((string name, object options, object value) in cases)
        {
            string what = $"{set} option {name} = {JsonSerializer.Serialize(value.ToString())}";
            Exception? thrown = await Record.ExceptionAsync(() => UseAsync(set, options, folder));
            TailoraException error = Assert.IsType<TailoraException>(thrown ?? new InvalidOperationException($"{what} is accepted"));
            Assert.True(error.Code == TailoraErrorCode.InvalidOptions, $"{what}: {error.Code}, {error.Message}");
            Assert.True(error.Details.GetProperty("option").GetString() == name, $"{what}: {error.Details}, {error.Message}");
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }

        Assert.True(cases.Length > 0 || type.GetProperties().All(property => property.PropertyType == typeof(bool?)), "no case at all");
    }

    [Fact]
    public async Task A_schema_that_nests_too_deep_is_refused_by_its_name()
    {
        using Session session = trained.Model.CreateSession();
        foreach (int depth in new[] { 200, 600 })
        {
            string text = string.Concat(Enumerable.Repeat("""{"items":""", depth)) + "{}" + new string('}', depth);
            JsonElement schema = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 1000 }).RootElement;
            var error = await Assert.ThrowsAsync<TailoraException>(() => session.GenerateAsync("x", new GenerateOptions { JsonSchema = schema }));
            Assert.Contains("deeper than", error.Message, StringComparison.Ordinal);
            Assert.Equal("json_schema", error.Details.GetProperty("option").GetString());
        }
    }

    /// <summary>Options of which one is none, by its name; <paramref name="whole"/> puts a part into the set that is asked for.</summary>
    private static IEnumerable<(string Name, object Options, object Value)> Cases(
        Type type, JsonElement schema, string place, Func<object, object> whole)
    {
        foreach (JsonPropertyInfo option in OptionsJson.Default.GetTypeInfo(type)!.Properties)
        {
            PropertyInfo property = type.GetProperties().Single(one => Json(type, one) == option.Name);
            object With(object value)
            {
                object part = Activator.CreateInstance(type)!;
                property.SetValue(part, value);
                return whole(part);
            }

            string name = place + option.Name;
            Type plain = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            if (IsRecord(plain))
            {
                foreach ((string Name, object Options, object Value) inner in Cases(plain, Properties(null, plain), name + ".", With))
                {
                    yield return inner;
                }

                continue;
            }

            JsonElement rules = schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty(option.Name, out JsonElement found) ? found : default;
            foreach (object value in NoValues(plain, rules))
            {
                yield return (name, With(value), value);
            }
        }
    }

    private static IEnumerable<object> NoValues(Type type, JsonElement rules) =>
        type == typeof(double) ? [double.NaN, double.PositiveInfinity, double.NegativeInfinity, .. BeyondBounds(type, rules)]
        : type == typeof(bool) ? []
        : type.IsPrimitive ? BeyondBounds(type, rules)
        : type.IsEnum ? [Enum.ToObject(type, 999)]
        : type == typeof(string) ? ["a\ud800b"]
        : type == typeof(JsonElement) ? [default(JsonElement)]
        : type == typeof(TargetModules) ? [TargetModules.Named("a\udc00"), TargetModules.Matching("\ud800")]
        : type == typeof(IReadOnlyList<string>) ? [new[] { "a", "\ud800" }]
        : type == typeof(IReadOnlyDictionary<string, double>) ? [new Dictionary<string, double> { ["5"] = double.NaN }, new Dictionary<string, double> { ["\ud800"] = 1 }]
        : type == typeof(IReadOnlyDictionary<string, int>) ? [new Dictionary<string, int> { ["q_proj"] = int.MinValue }, new Dictionary<string, int> { ["\ud800"] = 1 }]
        : type == typeof(IReadOnlyDictionary<string, JsonElement>) ? [new Dictionary<string, JsonElement> { ["a"] = default }]
        : type == typeof(IReadOnlyList<ChatMessage>) ? [new[] { new ChatMessage((ChatRole)999, "a") }, new[] { new ChatMessage(ChatRole.User, "\ud800") }]
        : type == typeof(IReadOnlyList<Passage>) ? [new[] { new Passage { Id = "a", Text = "\ud800" } }]
        : type == typeof(IReadOnlyList<BannedPhrase>) ? [new[] { new BannedPhrase { Phrase = "\ud800" } }]
        : type == typeof(IReadOnlyList<RequiredMention>) ? [new[] { new RequiredMention { Mention = ["\ud800"] } }]
        : throw new NotSupportedException($"no bad value of {type} is known here");

    /// <summary>The next number below the least one that the schema allows, and above the most.</summary>
    private static IEnumerable<object> BeyondBounds(Type type, JsonElement rules)
    {
        foreach ((string keyword, int step) in new[] { ("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0) })
        {
            if (rules.ValueKind == JsonValueKind.Object && rules.TryGetProperty(keyword, out JsonElement bound)
                && bound.GetDouble() + step is double beyond
                && (step == 0 || beyond != bound.GetDouble())
                && beyond >= (type == typeof(ulong) ? 0 : double.MinValue)
                && beyond < (type == typeof(int) ? int.MaxValue : long.MaxValue))
            {
                yield return Convert.ChangeType(beyond, type);
            }
        }
    }

    private static bool IsRecord(Type type) => type.GetMethod("<Clone>$") is not null;

    private static string Json(Type type, PropertyInfo property) =>
        property.GetCustomAttribute<System.Text.Json.Serialization.JsonPropertyNameAttribute>()?.Name ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);

    /// <summary>The options of a record as the library describes them, where it does.</summary>
    private static JsonElement Properties(string? set, Type type)
    {
        set ??= TailoraOptions.Sets.FirstOrDefault(known => known.Value == type).Key;
        return set is not null ? TailoraNative.OptionsSchema(set).GetProperty("properties")
            : type == typeof(Shard) ? TailoraNative.OptionsSchema("batch").GetProperty("$defs").GetProperty("Shard").GetProperty("properties")
            : default;
    }

    private async Task UseAsync(string set, object options, TemporaryFolder folder)
    {
        string At(string name) => Path.Combine(folder.FullName, name);
        using Session session = trained.Model.CreateSession();
        switch (options)
        {
            case ModelOptions model:
                LanguageModel.Load(Repository.Model, model).Dispose();
                break;
            case AdapterOptions adapter:
                trained.Adapter.Save(At("adapter"), overwrite: true);
                Adapter.Load(trained.Model, At("adapter"), adapter).Dispose();
                break;
            case DatasetOptions dataset:
                Dataset.OpenCsv(Repository.Csv, dataset).Dispose();
                break;
            case TrainingOptions training:
                (await trained.Model.TrainAsync(trained.Dataset, training)).Dispose();
                break;
            case EvaluateOptions evaluate:
                await trained.Model.EvaluateAsync(trained.Dataset, options: evaluate);
                break;
            case SessionOptions one:
                trained.Model.CreateSession(one).Dispose();
                break;
            case GenerateOptions generate:
                await session.GenerateAsync("x", generate);
                break;
            case ScoreOptions score:
                await session.ScoreAsync("x", "y", score);
                break;
            case ReportOptions report:
                await session.GenerateReportAsync("a:b", report);
                break;
            case TokenizeOptions tokenize:
                trained.Model.Tokenize("x", tokenize);
                break;
            case BatchOptions batch:
                await trained.Model.BatchAsync(folder.Write("cases.csv", "id,input\n1,a:b\n"), At("job"), options: batch);
                break;
            case PublishOptions publish:
                using (AdapterRegistry registry = AdapterRegistry.Create(At("registry")))
                {
                    registry.Publish(trained.Adapter, publish);
                }

                break;
            case DocxOptions docx:
                Report.Parse("""{"schema":"tailora.report/1","report":"a","conclusions":[]}""").SaveDocx(At("a.docx"), "1", "a:b", docx);
                break;
            default:
                throw new NotSupportedException($"options of {set} are used nowhere here");
        }
    }
}
