def test_types_of_entities_are_the_rarest_class_of_each(tmp_path):
    from kgzsl.datasets.kg_rdf import rdf_types

    file = tmp_path / "typed.ttl"
    file.write_text(
        "@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
        ":rome a :Place, :City, owl:NamedIndividual . :italy a :Place . :City a owl:Class . :a :knows :b .\n"
    )
    assert rdf_types(file) == {"http://x/rome": "http://x/City", "http://x/italy": "http://x/Place"}
